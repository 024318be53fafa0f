"""The iOS sample as far as a computer without Swift can check it: its syntax, and what it shares with the package."""

import re
from pathlib import Path

import pytest

import portraitnet
from portraitnet.export import coreml_export
from portraitnet.runtime.constants import SHARED
from portraitnet.runtime.contract import FORMAT_VERSION, METADATA_KEY
from portraitnet.runtime.geometry import GEOMETRIES, PAD_VALUE

tree_sitter = pytest.importorskip("tree_sitter")
SWIFT = tree_sitter.Language(pytest.importorskip("tree_sitter_swift").language())
DEMO = Path(portraitnet.__file__).parent / "ios_demo"
PACKAGE = DEMO / "Portraitnet.swiftpm"
FILES = sorted(PACKAGE.rglob("*.swift"))


def parsed(text):
    return tree_sitter.Parser(SWIFT).parse(text.encode()).root_node


def faults(node):
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point.row + 1
    for child in node.children:
        yield from faults(child)


def nodes(node, kind):
    if node.type == kind:
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def read(name):
    (path,) = PACKAGE.rglob(name)
    return path.read_text()


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_file_is_swift(path):
    root = parsed(path.read_text())
    assert list(faults(root)) == []
    assert root.child_count > 1


def test_the_parser_finds_what_is_no_swift():
    assert list(faults(parsed("func draw( { let x = }\n")))
    assert list(faults(parsed(read("Letterbox.swift").replace("top = (", "top = ", 1))))


def constants():
    found = {}
    for declaration in nodes(parsed(read("Constants.swift")), "property_declaration"):
        name = declaration.child_by_field_name("name").text.decode()
        found[name] = declaration.child_by_field_name("value").text.decode()
    return found


def test_the_constants_are_those_of_the_other_runtimes():
    found = constants()
    limits = found.pop("limits")
    shared = {
        "black": SHARED["levels"]["black"],
        "white": SHARED["levels"]["white"],
        "follow": SHARED["smoothing"]["follow"],
        "tremble": SHARED["smoothing"]["tremble"],
        "motion": SHARED["smoothing"]["motion"],
        "framesPerSecond": SHARED["smoothing"]["frames_per_second"],
        "pause": SHARED["smoothing"]["pause"],
        "blurDefault": SHARED["blur"]["default"],
        "blurFloor": SHARED["blur"]["floor"],
        "pad": PAD_VALUE,
    }
    assert {name: float(text) for name, text in found.items()} == shared
    pairs = re.findall(r'"([^"]+)": (\.infinity|[\d.]+)', limits)
    assert {name: float(limit.replace(".infinity", "inf")) for name, limit in pairs} == GEOMETRIES


def test_input_output_and_contract_have_the_names_that_the_exporter_writes():
    model, contract = read("PersonModel.swift"), read("Contract.swift")
    assert f'static let input = "{coreml_export.INPUT}"' in model
    assert f'static let output = "{coreml_export.ALPHA}"' in model
    assert f'static let metadataKey = "{METADATA_KEY}"' in contract
    assert f"static let formatVersion = {FORMAT_VERSION}" in contract
    # Both kinds of output that the exporter writes are read.
    assert {"kCVPixelFormatType_OneComponent16Half", "kCVPixelFormatType_OneComponent8"} <= set(
        re.findall(r"kCVPixelFormatType_\w+", model)
    )


def test_the_app_asks_for_the_camera_and_uses_apples_frameworks_alone():
    assert ".camera(purposeString:" in read("Package.swift")
    imported = {name for path in FILES for name in re.findall(r"^import (\w+)", path.read_text(), re.MULTILINE)}
    assert imported <= {
        "AVFoundation", "AppleProductTypes", "CoreImage", "CoreML", "CoreVideo", "Foundation", "Metal", "MetalKit",
        "PackageDescription", "QuartzCore", "SwiftUI",
    }  # fmt: skip
    assert all("URLSession" not in path.read_text() for path in FILES)


def test_the_core_needs_nothing_of_apples():
    for path in (PACKAGE / "Sources" / "Core").glob("*.swift"):
        assert set(re.findall(r"^import (\w+)", path.read_text(), re.MULTILINE)) <= {"Foundation"}


def test_every_type_that_is_used_by_name_is_declared_or_apples():
    """The nearest to a compiler that there is: a type renamed in one file and not in another."""
    kinds = ("class_declaration", "protocol_declaration")
    trees = [parsed(path.read_text()) for path in FILES]
    declared = {
        name.text.decode()
        for tree in trees
        for kind in kinds
        for node in nodes(tree, kind)
        if (name := node.child_by_field_name("name"))
    }
    used = {node.text.decode() for tree in trees for node in nodes(tree, "type_identifier")}
    swift = {"Bool", "CodingKey", "Data", "Decodable", "Double", "Equatable", "Float", "Float16", "Hashable", "Int"}
    swift |= {"LocalizedError", "MainActor", "Sendable", "String", "UInt8", "Void", "main", "unchecked"}
    swiftui = {"App", "Context", "Environment", "ObservableObject", "Published", "Scene", "StateObject", "View"}
    apples = re.compile(r"(AV|CI|CG|CV|CM|ML|MTL|MTK|NS|UI|CF)[A-Z]\w+|Position|RotationCoordinator")
    assert {name for name in used - declared - swift - swiftui if not apples.fullmatch(name)} == set()
