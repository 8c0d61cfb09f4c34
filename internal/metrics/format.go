package metrics

import (
	"math"
	"strconv"
	"strings"
)

// round4 rounds half up to four decimals, as Java's AvgMinMaxCounter.getAvg does with a BigDecimal of the exact
// binary value.
func round4(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) >= 1<<53/10000 {
		return v // no fraction of four decimals fits such a number
	}
	return math.Round(v*10000) / 10000
}

// FormatDouble prints v as Java's Double.toString does: always with a decimal point ("5.0", "0.4286"), and with an
// exponent ("1.0E7", "1.0E-4") for magnitudes of ten million and more or below a thousandth.
func FormatDouble(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	if a := math.Abs(v); v == 0 || a >= 1e-3 && a < 1e7 {
		return withPoint(strconv.FormatFloat(v, 'f', -1, 64))
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
	sign := ""
	if strings.HasPrefix(exponent, "-") {
		sign = "-"
	}
	return withPoint(mantissa) + "E" + sign + strings.TrimLeft(exponent, "+-0")
}

func withPoint(s string) string {
	if strings.Contains(s, ".") {
		return s
	}
	return s + ".0"
}
