package offline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"quokka/internal/proto"
)

// A Moment is a point in the history of a data directory: a zxid, or a time by
// the clocks of the leaders that stamped the transactions.
type Moment struct {
	Zxid   proto.Zxid
	Time   time.Time
	IsTime bool
}

// ParseMoment reads a zxid (0x1f, or decimal) or what [ParseTime] reads.
func ParseMoment(s string, now time.Time) (Moment, error) {
	if z, err := ParseZxid(s); err == nil {
		return Moment{Zxid: z}, nil
	}
	t, err := ParseTime(s, now)
	if err != nil {
		return Moment{}, fmt.Errorf("%q is neither a zxid (0x1f, or decimal) nor a time (%s)", s, timeForms)
	}
	return Moment{Time: t, IsTime: true}, nil
}

// ParseZxid reads a zxid: hexadecimal with 0x in front, otherwise decimal.
func ParseZxid(s string) (proto.Zxid, error) {
	digits, base := s, 10
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		digits, base = rest, 16
	}
	n, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no zxid; write it like 0x1f, or decimal", s)
	}
	return proto.Zxid(n), nil
}

// ParseSession reads a session id, which is hexadecimal with or without 0x, as
// the commands of ZooKeeper print it.
func ParseSession(s string) (proto.SessionID, error) {
	digits := strings.TrimPrefix(strings.ToLower(s), "0x")
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no session id; write it like 0x100001b46ff0000", s)
	}
	return proto.SessionID(n), nil
}

const timeForms = `2026-11-30T17:04:05Z, "2026-11-30 17:04:05" in local time, @1796058245000 in ms since 1970, or 90m for so long ago`

// ParseTime reads a time in one of several forms.
func ParseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999", "2006-01-02T15:04:05.999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if ms, ok := strings.CutPrefix(s, "@"); ok {
		if n, err := strconv.ParseInt(ms, 10, 64); err == nil {
			return time.UnixMilli(n), nil
		}
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; write %s", s, timeForms)
}

// maxMillis keeps what time.Time can print as a year of four digits.
const maxMillis = 253402300799999

// instant is a time of the disk. Whatever is written there, it can be printed.
func instant(ms proto.Millis) time.Time {
	return time.UnixMilli(max(math.MinInt32, min(int64(ms), maxMillis)))
}

// isoTime is a time for machines: UTC with milliseconds.
func isoTime(ms proto.Millis) string {
	return instant(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
