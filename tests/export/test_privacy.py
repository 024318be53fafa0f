import pytest

from portraitnet.export.privacy import without_paths


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/me/people", "people"),
        ("/home/me/my people/", "my people"),
        ("~/me/data", "data"),
        ("~me/data", "data"),
        ("../me/data", "data"),
        ("C:\\me\\data", "data"),
        ("C:/me/data", "data"),
        ("\\\\server\\me\\data", "data"),
        ("/", "."),
        ("train x data.root=/home/me/data (see /home/me/b)", "train x data.root=data (see b)"),
        ("people/portraits", "people/portraits"),
        ("images/ and masks/, mobile / nano, 1/4, ~5 minutes", "images/ and masks/, mobile / nano, 1/4, ~5 minutes"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("", ""),
    ],
)
def test_a_path_is_left_as_its_last_name_and_other_text_as_it_is(text, left):
    assert without_paths({"a": [text, {"b": (text, 3)}], "c": None}) == {"a": [left, {"b": [left, 3]}], "c": None}
