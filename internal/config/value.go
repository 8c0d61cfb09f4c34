package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/core/quorum"
)

// parse stores value in the field of the row. The notice is a text about a value that was corrected, or empty. The
// error is a text that says what is allowed.
func (r *row) parse(c *Config, value string) (notice string, err error) {
	switch r.kind {
	case kindInt, kindDecode, kindLong, kindInterval:
		return r.parseNumber(c, value)
	case kindBool:
		b, ok := parseBool(value)
		if !ok {
			return "", fmt.Errorf("want %s", r.want())
		}
		store(r, c, b)
	case kindYesNo:
		if value != "yes" && value != "no" {
			return "", fmt.Errorf("want %s in small letters; Java silently takes anything else as %s", r.want(), r.def)
		}
		store(r, c, value == "yes")
	case kindFloat:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "", fmt.Errorf("want %s", r.want())
		}
		store(r, c, f)
	case kindEnum:
		word := strings.ToLower(value)
		if !slices.Contains(r.oneOf, word) {
			return "", fmt.Errorf("want %s", r.want())
		}
		if !store(r, c, word) {
			store(r, c, quorum.Role(word))
		}
	case kindList:
		store(r, c, splitList(value))
	case kindWords:
		store(r, c, parseWords(value))
	case kindSecret:
		store(r, c, NewSecret(value))
	case kindPath:
		if strings.ContainsRune(value, 0) {
			return "", fmt.Errorf("want %s without a zero byte", r.want())
		}
		store(r, c, trimSlashes(value))
	case kindString:
		store(r, c, value)
	}
	return "", nil
}

// store writes v to the field of the row if it has a field of that type.
func store[T any](r *row, c *Config, v T) bool {
	if r.at == nil {
		return true
	}
	field, ok := r.at(c).(*T)
	if ok {
		*field = v
	}
	return ok
}

func (r *row) parseNumber(c *Config, value string) (notice string, err error) {
	n, ok := int64(0), false
	switch r.kind {
	case kindInt:
		n, ok = parseDecimal(value, 32)
	case kindDecode:
		n, ok = decodeNumber(value, 32)
	case kindLong:
		n, ok = decodeNumber(value, 64)
	case kindInterval:
		n, ok = parseInterval(value)
	}
	if lo, hi := r.limits(); !ok || n < lo || n > hi {
		return "", fmt.Errorf("want %s", r.want())
	}
	if r.floor != 0 && n < r.floor {
		notice = fmt.Sprintf("%s=%d is too small and was raised to %d, as Java does", r.key, n, r.floor)
		n = r.floor
	}
	if !store(r, c, n) {
		store(r, c, int(n))
	}
	return notice, nil
}

// want says in words what the row allows.
func (r *row) want() string {
	switch r.kind {
	case kindBool:
		return "true or false"
	case kindYesNo:
		return "yes or no"
	case kindFloat:
		return "a number such as 0.25"
	case kindEnum:
		names := strings.Join(r.oneOf, ", ")
		return "one of " + strings.TrimPrefix(names, ", ")
	case kindList:
		return "words separated by commas"
	case kindWords:
		return "four letter words separated by commas, or *"
	case kindPath:
		return "a file name"
	case kindString, kindSecret:
		return "a text"
	case kindInterval:
		return "a number of hours, or a number with ms, s, m, h or d"
	}
	return r.wantNumber()
}

func (r *row) wantNumber() string {
	text := "an integer"
	switch r.unit {
	case "":
	case "port":
		text = "a port number"
	default:
		text = "an integer of " + r.unit
	}
	lo, hi := r.limits()
	if r.floor != 0 {
		lo = r.floor
	}
	bits := int64(math.MaxInt32)
	if r.kind == kindLong {
		bits = math.MaxInt64
	}
	if hi == bits {
		return fmt.Sprintf("%s, %d or more", text, lo)
	}
	return fmt.Sprintf("%s, %d to %d", text, lo, hi)
}

// parseBool is QuorumPeerConfig.parseBoolean: nothing but true and false, in any case.
func parseBool(value string) (b, ok bool) {
	switch {
	case strings.EqualFold(value, "true"):
		return true, true
	case strings.EqualFold(value, "false"):
		return false, true
	}
	return false, false
}

// parseDecimal is Integer.parseInt.
func parseDecimal(value string, bits int) (int64, bool) {
	n, err := strconv.ParseInt(value, 10, bits)
	return n, err == nil
}

// decodeNumber is Integer.decode, which Integer.getInteger and Long.getLong use.
func decodeNumber(value string, bits int) (int64, bool) {
	digits, sign := value, ""
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		digits, sign = digits[1:], digits[:1]
	}
	base := 10
	switch {
	case strings.HasPrefix(digits, "0x"), strings.HasPrefix(digits, "0X"):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "#"):
		digits, base = digits[1:], 16
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	if digits == "" || digits[0] == '-' || digits[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(sign+digits, base, bits)
	return n, err == nil
}

const hourMS = 60 * 60 * 1000

// parseInterval is Time.parseTimeInterval with hours as the unit of a bare number, the way QuorumPeerConfig reads
// autopurge.purgeInterval. Unlike Java it refuses what does not fit instead of wrapping around.
func parseInterval(value string) (ms int64, ok bool) {
	lower := strings.ToLower(value)
	for _, unit := range []struct {
		suffix string
		ms     int64
	}{{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", hourMS}, {"d", 24 * hourMS}, {"", hourMS}} {
		digits, found := strings.CutSuffix(lower, unit.suffix)
		if !found {
			continue
		}
		n, ok := parseDecimal(digits, 32)
		return n * unit.ms, ok
	}
	return 0, false
}

// formatInterval is the inverse of parseInterval. Whole hours have no suffix, so that ZooKeeper 3.9 reads them too.
func formatInterval(ms int64) string {
	switch {
	case ms%hourMS == 0:
		return strconv.FormatInt(ms/hourMS, 10)
	case ms%(60*1000) == 0:
		return strconv.FormatInt(ms/(60*1000), 10) + "m"
	case ms%1000 == 0:
		return strconv.FormatInt(ms/1000, 10) + "s"
	}
	return strconv.FormatInt(ms, 10) + "ms"
}

func splitList(value string) []string {
	var words []string
	for word := range strings.SplitSeq(value, ",") {
		if word = trim(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// trim is Java's String.trim.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// trimSlashes drops slashes at the end, as java.io.File does.
func trimSlashes(path string) string {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}
