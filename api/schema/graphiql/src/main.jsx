import "./workers.js"; // before Monaco is loaded
import "graphiql/style.css";
import "./main.css";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { makeFetcher } from "./fetcher.js";
import { samples } from "./samples.js";

const TOKEN_KEY = "mission-control-token";
const PLUGINS = [HISTORY_PLUGIN]; // the documentation explorer is there by default

function TokenForm({ token, onSave }) {
  const [value, setValue] = useState(token);
  return (
    <form
      className="token-bar"
      onSubmit={(event) => {
        event.preventDefault();
        onSave(value.trim());
      }}
    >
      <strong>Mission Control</strong>
      <label htmlFor="token">Token</label>
      <input
        id="token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="kept in this browser only"
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <button type="submit">Save</button>
    </form>
  );
}

function App() {
  const [token, setToken] = useState(() => localStorage.getItem(TOKEN_KEY) ?? "");
  const fetcher = useMemo(() => makeFetcher(token), [token]);
  const save = (next) => {
    if (next) localStorage.setItem(TOKEN_KEY, next);
    else localStorage.removeItem(TOKEN_KEY);
    setToken(next);
  };
  return (
    <>
      <TokenForm token={token} onSave={save} />
      <GraphiQL fetcher={fetcher} plugins={PLUGINS} defaultTabs={samples} defaultEditorToolsVisibility="variables" />
    </>
  );
}

createRoot(document.getElementById("root")).render(<App />);
