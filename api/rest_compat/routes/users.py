"""Sign-in and profile."""

from api.rest_compat.table import USER, delete, get, patch, post
from api.rest_compat.wire import LLMErrorResponse, UserRead, UserUpdate
from api.schema import users

ROWS = [
    post("/auth/bootstrap", users.me, name="bootstrap_user", summary="Sign in", tags=("auth",), who=USER,
         returns=UserRead, errors={401: LLMErrorResponse}),
    get("/users/me", users.me, name="get_me", summary="Read one's own profile", tags=("users",), who=USER,
        returns=UserRead),
    patch("/users/me", users.update_me, name="update_me", summary="Change one's own profile", tags=("users",), who=USER,
          body=UserUpdate, returns=UserRead),
    delete("/users/me", users.delete_me, name="delete_me", summary="Delete one's own account", tags=("users",),
           who=USER),
]  # fmt: skip
