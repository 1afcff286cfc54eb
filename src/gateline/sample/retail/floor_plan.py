"""The sample shop: what hangs, stands and opens where."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """A camera and where it hangs."""

    code: str
    name: str
    zone: str
    resolution: str = "1920x1080"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A shelf, the camera that sees it, and how much of it a full shop sells in an hour (%)."""

    code: str
    product: str
    zone: str
    camera: str
    hourly: float


@dataclass(frozen=True, slots=True)
class Thermometer:
    """A thermometer, and what it shows on a good day (°C)."""

    code: str
    zone: str
    kind: Literal["chiller", "freezer", "room"]
    usual: float


CAMERAS: Final = (
    CameraPlace("cam-01", "Main entrance", "entrance", "3840x2160"),
    CameraPlace("cam-02", "Side entrance", "entrance"),
    CameraPlace("cam-03", "Tills", "checkout", "3840x2160"),
    CameraPlace("cam-04", "Self-checkout", "checkout"),
    CameraPlace("cam-05", "Fruit and vegetables", "fresh"),
    CameraPlace("cam-06", "Dairy aisle", "chilled"),
    CameraPlace("cam-07", "Bakery", "fresh"),
    CameraPlace("cam-08", "Drinks aisle", "groceries"),
    CameraPlace("cam-09", "Household aisle", "groceries"),
    CameraPlace("cam-10", "Stock room", "back"),
    CameraPlace("cam-11", "Delivery ramp", "back"),
    CameraPlace("cam-12", "Car park", "outside", "2560x1440"),
)
ENTRANCES: Final = (("cam-01", "entrance", 0.7), ("cam-02", "entrance", 0.3))
"""Camera, zone, share of the visitors."""
TILLS: Final = ("till-1", "till-2", "till-3", "till-4")
SHELVES: Final = (
    Shelf("A1", "Bananas", "fresh", "cam-05", 14),
    Shelf("A2", "Tomatoes", "fresh", "cam-05", 10),
    Shelf("B1", "Bread", "fresh", "cam-07", 18),
    Shelf("C1", "Milk", "chilled", "cam-06", 12),
    Shelf("C2", "Yoghurt", "chilled", "cam-06", 8),
    Shelf("D1", "Water", "groceries", "cam-08", 9),
    Shelf("D2", "Coffee", "groceries", "cam-08", 5),
    Shelf("E1", "Detergent", "groceries", "cam-09", 4),
)
DOORS: Final = (("stock-door", "back", "cam-10"), ("ramp-gate", "back", "cam-11"))
THERMOMETERS: Final = (
    Thermometer("dairy-cabinet", "chilled", "chiller", 3.6),
    Thermometer("meat-cabinet", "chilled", "chiller", 2.4),
    Thermometer("freezer-1", "chilled", "freezer", -20.5),
    Thermometer("sales-floor", "groceries", "room", 21.5),
)
