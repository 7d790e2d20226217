"""The page as an ASGI application: gradio behind the guards, with nothing from outside and no file but its own."""

import asyncio
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp

from limner.apps.page import look
from limner.apps.page.blocks import build
from limner.apps.page.gate import UPLOAD, Gate
from limner.apps.page.settings import PageSettings
from limner.apps.page.workbench import Workbench
from limner.apps.service.api import guards
from limner.apps.service.settings import Limits, Times

LIMITS = Limits(body_bytes=1024 * 1024, upload_bytes=160 * 1024 * 1024)
"""A sentence and dials in the one, up to sixteen photos of a good camera in the other."""
PHOTO_BYTES = 20 * 1024 * 1024
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Gradio's page has scripts and styles of its own inside; everything comes from here, and nothing goes elsewhere.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
VARIABLES = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SHARE": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
FOLDER_VARIABLE = "GRADIO_TEMP_DIR"


@contextmanager
def opened_page(settings: PageSettings, *, prefix: str = "", hosts: Collection[str] | None) -> Iterator[ASGIApp]:
    """The page, ready to be served; the model is opened, and afterwards nothing is left of what was handed in.

    Args:
        prefix: its path on the server.
        hosts: names by which it may be asked for; None for all.

    Raises:
        LimnerError: the model cannot be opened.
    """
    bench = Workbench(settings)
    before = {name: os.environ.get(name) for name in (*VARIABLES, FOLDER_VARIABLE)}
    os.environ.update(VARIABLES | {FOLDER_VARIABLE: str(bench.files)})
    try:
        # Inside a loop that ends at once: outside of one gradio makes some of its own and closes none.
        yield asyncio.run(_application(bench, prefix, hosts))
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        bench.close()


async def _application(bench: Workbench, prefix: str, hosts: Collection[str] | None) -> ASGIApp:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        build(bench),
        path=prefix or "/",
        server_name="127.0.0.1",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=PHOTO_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=look.theme(),
        css_paths=look.STYLES,
    )
    # The last one added is the first to see a request.
    app.add_middleware(Gate, prefix=prefix, files=bench.files)
    app.add_middleware(guards.BodyLimits, limits=LIMITS, times=Times(), uploads=(prefix + UPLOAD,))
    app.add_middleware(guards.SameSite, hosts=hosts)
    app.add_middleware(guards.Sealed, headers=HEADERS)
    return app
