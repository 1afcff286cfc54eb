"""Which paths an application's code states."""

import ast

from gateline.local.stated_paths import stated_paths

APP = """
from flask import Flask
from . import orders
from shop.views import stock

def create_app():
    app = Flask(__name__)
    app.register_blueprint(orders.bp, url_prefix="/api/shop/orders")
    app.register_blueprint(stock)

    @app.get("/api/shop/health")
    def health(): ...

    @app.get(prefix + "/computed")
    @login_required
    def computed(): ...

    return app
"""
ORDERS = """
import json
bp = Blueprint("orders", __name__)

@bp.route("/<int:id>", methods=["GET"])
async def one(id): ...
"""
VIEWS = """
stock = Blueprint("stock", __name__, url_prefix="/api/shop/stock/")

@stock.post("/")
def add(): ...
"""
OTHER = "@app.get('/other')\ndef other(): ...\n"


def test_views_of_everything_that_is_imported() -> None:
    """Prefixes count whether a blueprint is made or registered with them."""
    texts = {"shop": APP, "shop.orders": ORDERS, "shop.views": VIEWS, "other": OTHER}
    trees = {name: ast.parse(text) for name, text in texts.items()}

    assert stated_paths(trees, "shop") == (
        "/api/shop/health",
        "/api/shop/orders/<int:id>",
        "/api/shop/stock/",
    )
    assert stated_paths(trees, "nowhere") == ()
