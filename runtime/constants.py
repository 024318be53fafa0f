"""The numbers that Python, the browser page and the Android app share: all three read constants.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "constants.json").read_text("utf-8"))
