/** @type {import('@graphql-codegen/cli').CodegenConfig} */
export default {
  schema: [{ [process.env.GRAPHQL_URL]: { headers: { authorization: `Bearer ${process.env.GRAPHQL_TOKEN}` } } }],
  documents: ["operations.graphql"],
  generates: {
    [`${process.env.OUT}/schema.json`]: { plugins: ["introspection"], config: { minify: false } },
    [`${process.env.OUT}/types.ts`]: { plugins: ["typescript-operations"] },
  },
};
