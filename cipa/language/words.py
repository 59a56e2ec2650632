"""Numbers as words, in APA form: the one place where a number becomes text, whatever the language.

No leading zero where a number cannot exceed one (r, p, standardized, alpha); a true minus sign; exact p-values down to
.001.
"""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def decimal(value: float) -> str:
    """Three decimals; one more digit, or a power of ten, for what three decimals would round to nothing."""
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if 1e-5 <= abs(value) < 0.0005:
        return _signed(f"{value:.4f}" if abs(value) >= 0.00005 else f"{value:.5f}")
    if value != 0 and abs(value) < 1e-5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    return _signed(f"{value:.3f}")


def level(value: float) -> str:
    """A value of a moderator: whole numbers as such."""
    return f"{int(value)}".replace("-", MINUS) if float(value).is_integer() and abs(value) < 1e6 else decimal(value)


def signed(value: float) -> str:
    """A whole number with its sign: "−1", "0", "+1"."""
    return f"{value:+.0f}".replace("-", MINUS) if round(value) else "0"


def unit(value: float) -> str:
    """Three decimals without the leading zero."""
    text = f"{value:.3f}"
    return _signed(text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text)


def statistic(value: float) -> str:
    """Two decimals."""
    return "∞" if math.isinf(value) else _signed(f"{value:.2f}")


def p_value(value: float) -> str:
    """Three decimals, or "< .001"."""
    return "" if math.isnan(value) else "< .001" if value < 0.001 else unit(value)


def equals_p(value: float) -> str:
    """For prose: "p = .032", "p < .001"."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def per_cent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def _signed(text: str) -> str:
    bare = text.lstrip("-")
    zero = not bare.strip("0.")
    return bare if zero else text.replace("-", MINUS)
