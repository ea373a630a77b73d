"""What a surface with pages needs besides its routers."""

from fastapi import FastAPI

from todoenbalance.kit.pages.redirects import SeeOtherError, on_see_other
from todoenbalance.kit.pages.static import install_static_files


def install_pages(app: FastAPI) -> None:
    """Static files, and redirects of visitors who must sign in first."""
    app.add_exception_handler(SeeOtherError, on_see_other)
    install_static_files(app)
