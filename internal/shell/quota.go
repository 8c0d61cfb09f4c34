package shell

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Where quotas are kept (Quotas).
const (
	quotaRoot = "/zookeeper/quota"
	limitNode = "/zookeeper_limits"
	statNode  = "/zookeeper_stats"
)

func limitPath(path string) string { return quotaRoot + path + limitNode }
func usagePath(path string) string { return quotaRoot + path + statNode }

// The names of limits and counts. -1 is no limit.
const (
	softCount = "count"
	softBytes = "bytes"
	hardCount = "countHardLimit"
	hardBytes = "byteHardLimit"
)

// A quota is the text of a limit or of a count: pairs name=number
// (StatsTrack).
type quota map[string]int64

// parseQuota reads a text. A name without a number means -1.
func parseQuota(text string) (quota, error) {
	q := make(quota)
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		parts := strings.Split(pair, "=")
		value := int64(-1)
		if len(parts) > 1 && parts[1] != "" {
			var err error
			if value, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
				return nil, fmt.Errorf("the quota %q is not of the form count=3,bytes=100", text)
			}
		}
		q[parts[0]] = value
	}
	return q, nil
}

func (q quota) get(name string) int64 {
	if v, ok := q[name]; ok {
		return v
	}
	return -1
}

// String returns count and bytes first, and all else behind an equals sign
// that hides it from servers before 3.7.
func (q quota) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%d,%s=%d", softCount, q.get(softCount), softBytes, q.get(softBytes))
	mark := "="
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if name != softCount && name != softBytes {
			fmt.Fprintf(&b, "%s;%s=%d", mark, name, q[name])
			mark = ""
		}
	}
	return b.String()
}

// warnings says where a limit is below what is there already.
func (q quota) warnings(used quota) []string {
	var all []string
	check := func(what, soft, hard, counted string) {
		n := used.get(counted)
		if q.get(soft) > -1 && q.get(soft) < n || q.get(hard) > -1 && q.get(hard) < n {
			all = append(all, fmt.Sprintf("[Warning]: the %s quota you create is less than the existing %s:%d", what, what, n))
		}
	}
	check("count", softCount, hardCount, softCount)
	check("bytes", softBytes, hardBytes, softBytes)
	return all
}
