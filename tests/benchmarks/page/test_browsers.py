"""Waiting for a page, without a browser."""

import pytest

from portraitnet.benchmarks.page.browsers import Browser, NoAnswerError


class _Scripted(Browser):
    """Gives prepared answers, or raises them."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers = list(answers)

    def evaluate(self, expression):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_answer_the_driver_lost_is_asked_for_again():
    browser = _Scripted(NoAnswerError("lost"), False, True, "never read")
    browser.wait("document.title")
    assert browser.answers == ["never read"]


def test_other_errors_end_the_wait():
    with pytest.raises(RuntimeError, match="no such page"):
        _Scripted(RuntimeError("no such page"), True).wait("document.title")


def test_a_condition_that_stays_false_shows_what_the_page_says():
    with pytest.raises(AssertionError, match="scripted: 1 > 2 did not come true; the page says: loading"):
        _Scripted(False, "loading").wait("1 > 2", seconds=-1)


def test_a_browser_that_has_crashed_is_replaced(engine):
    """Or every test after the crash would fail."""
    before = engine.shared()
    assert engine.shared() is before
    before.close()
    after = engine.shared()
    assert after is not before
    assert after.is_alive()
