"""The numbers that Python, the browser page and the Android app share; all of them read constants.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHARED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("constants.json").read_text(encoding="utf-8"))
