from __future__ import annotations

import os
import signal

import pytest

from h4h_start import STOP_SIGNALS, StoppedError
from search_space.command.stop_signals import StopRequest, stopping


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_raises_and_its_handler_comes_back(number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(StoppedError) as stopped, stopping():
        os.kill(os.getpid(), number)
    assert stopped.value.number == number
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_signal_waits_for_the_end_of_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    request = StopRequest()
    with stopping(request):
        with pytest.raises(StoppedError):  # Nothing has begun.
            os.kill(os.getpid(), signal.SIGTERM)
        request.begin()
        request.check()
        os.kill(os.getpid(), signal.SIGTERM)
        assert "a second signal stops at once" in capsys.readouterr().err
        with pytest.raises(StoppedError) as stopped:
            request.check()
    assert stopped.value.number == signal.SIGTERM


def test_a_second_signal_stops_at_once() -> None:
    request = StopRequest()
    with stopping(request):
        request.begin()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StoppedError) as stopped:
            os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.number == signal.SIGINT
