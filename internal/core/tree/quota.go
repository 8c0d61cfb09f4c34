package tree

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The names of the nodes that make a quota on /a/b: they are children of
// /zookeeper/quota/a/b (Java: Quotas).
const (
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// Limits are what a quota allows; -1 is no limit. A hard limit takes the
// place of the soft one of the same sort.
type Limits struct{ Count, Bytes, CountHard, BytesHard int64 }

// Usage is what a quota's subtree holds: znodes, its root included, and bytes
// of data.
type Usage struct{ Count, Bytes int64 }

// A Quota is a limited subtree.
type Quota struct {
	Path   string // root of the subtree
	Limits Limits
	Usage  Usage
}

// A QuotaWarning says that a change brought a subtree above its limit.
type QuotaWarning struct {
	Path  string // root of the subtree
	Bytes bool   // bytes of data, not number of znodes
	Hard  bool
	Used  int64
	Limit int64
}

// quota is an active quota: one whose zookeeper_limits node exists.
type quota struct {
	Quota
	warned bool // has a warning in Tree.warnings
}

// ParseLimits reads the data of a zookeeper_limits or zookeeper_stats node:
// key=value, divided by commas or semicolons (Java: StatsTrack). What is
// missing or no number is -1.
func ParseLimits(data []byte) Limits {
	l := Limits{-1, -1, -1, -1}
	for pair := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, _ := strings.Cut(pair, "=")
		value, _, _ = strings.Cut(value, "=") // "bytes=5=" is for the parser of 3.4
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			n = -1
		}
		switch key {
		case "count":
			l.Count = n
		case "bytes":
			l.Bytes = n
		case "countHardLimit":
			l.CountHard = n
		case "byteHardLimit":
			l.BytesHard = n
		}
	}
	return l
}

// Append appends the limits as zkCli.sh writes them. The sign before the
// first semicolon lets the parsers of old servers skip the rest.
func (l Limits) Append(b []byte) []byte {
	b = Usage{l.Count, l.Bytes}.Append(b)
	b = strconv.AppendInt(append(b, "=;byteHardLimit="...), l.BytesHard, 10)
	return strconv.AppendInt(append(b, ";countHardLimit="...), l.CountHard, 10)
}

// Append appends the usage as the zookeeper_stats node has it.
func (u Usage) Append(b []byte) []byte {
	b = strconv.AppendInt(append(b, "count="...), u.Count, 10)
	return strconv.AppendInt(append(b, ",bytes="...), u.Bytes, 10)
}

// QuotaOf returns the quota that path counts for: the one with the longest
// root, only that.
func (t *Tree) QuotaOf(path string) (root string, limits Limits, usage Usage, ok bool) {
	q := t.quotaOf(path)
	if q == nil {
		return "", Limits{}, Usage{}, false
	}
	return q.Path, q.Limits, q.Usage, true
}

// Quotas goes through all quotas in the order of their paths.
func (t *Tree) Quotas() iter.Seq[Quota] {
	return func(yield func(Quota) bool) {
		for _, q := range slices.SortedFunc(maps.Values(t.quotas), func(a, b *quota) int { return cmp.Compare(a.Path, b.Path) }) {
			if !yield(q.Quota) {
				return
			}
		}
	}
}

// TakeQuotaWarnings returns the warnings since the last call, one for each
// quota at most. The caller logs them, as rarely as it likes.
func (t *Tree) TakeQuotaWarnings() []QuotaWarning {
	w := t.warnings
	t.warnings = nil
	for i := range w {
		if q := t.quotas[w[i].Path]; q != nil {
			q.warned = false
		}
	}
	return w
}

// RecountQuotas finds the quotas anew and counts what they use. Builder.Finish
// has done it already.
func (t *Tree) RecountQuotas() {
	clear(t.quotas)
	top := t.FindString(quotaPath)
	if top == 0 {
		return
	}
	var roots []string
	for r := range t.subtree(top) {
		if string(t.arena.name(t.node(r))) != limitsName {
			continue
		}
		if root, _, ok := quotaNode(string(t.AppendPath(nil, r))); ok {
			roots = append(roots, root)
		}
	}
	for _, root := range roots {
		t.startQuota(root)
	}
}

// quotaNode tells of a path whether it is one of the two nodes of a quota,
// and of which. The root cannot have one.
func quotaNode(path string) (root, name string, ok bool) {
	rest, ok := strings.CutPrefix(path, quotaPath)
	if !ok || rest == "" || rest[0] != '/' {
		return "", "", false
	}
	root, name, ok = split(rest)
	return root, name, ok && root != "" && (name == limitsName || name == statsName)
}

func (t *Tree) quotaOf(path string) *quota {
	if len(t.quotas) == 0 {
		return nil
	}
	for path != "" && path != "/" {
		if q := t.quotas[path]; q != nil {
			return q
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return nil
}

// startQuota makes the quota of a limits node active and counts. Java goes on
// from the number the stats node has, right or wrong.
func (t *Tree) startQuota(root string) {
	q := &quota{Quota: Quota{Path: root}}
	if r := t.FindString(quotaPath + root + "/" + limitsName); r != 0 {
		q.Limits = ParseLimits(t.Data(r))
	}
	t.quotas[root] = q
	t.recount(q)
}

func (t *Tree) recount(q *quota) {
	q.Usage = Usage{}
	if r := t.FindString(q.Path); r != 0 {
		for i := range t.subtree(r) {
			q.Usage.Count++
			q.Usage.Bytes += int64(max(t.node(i).dataLen, 0))
		}
	}
	t.publish(q)
}

// publish writes a quota's usage to its stats node: no change of the stat, of
// the digest, or for watches (Java: DataTree.updateQuotaStat).
func (t *Tree) publish(q *quota) {
	if r := t.FindString(quotaPath + q.Path + "/" + statsName); r != 0 {
		var b [64]byte
		t.replace(r, q.Usage.Append(b[:0]))
	}
}

func (t *Tree) quotaCreated(path string, dataLen int) {
	if root, name, ok := quotaNode(path); ok {
		if name == limitsName {
			t.startQuota(root)
		} else if q := t.quotas[root]; q != nil {
			t.recount(q)
		} else {
			t.recount(&quota{Quota: Quota{Path: root}})
		}
	}
	t.charge(path, 1, int64(dataLen))
}

func (t *Tree) quotaDeleted(path string, dataLen int) {
	if root, name, ok := quotaNode(path); ok && name == limitsName {
		delete(t.quotas, root)
	}
	t.charge(path, -1, -int64(dataLen))
}

func (t *Tree) quotaChanged(path string, r Ref, before int) {
	if root, name, ok := quotaNode(path); ok && name == limitsName && t.quotas[root] != nil {
		t.quotas[root].Limits = ParseLimits(t.Data(r))
	}
	t.charge(path, 0, int64(max(t.node(r).dataLen, 0))-int64(before))
}

func (t *Tree) charge(path string, count, bytes int64) {
	q := t.quotaOf(path)
	if q == nil {
		return
	}
	if w, over := q.Exceeded(count, bytes); over && !q.warned && (count > 0 || bytes > 0) {
		q.warned = true
		t.warnings = append(t.warnings, w)
	}
	q.Usage.Count += count
	q.Usage.Bytes += bytes
	t.publish(q)
}

func limitOf(soft, hard int64) (limit int64, isHard bool) {
	if hard > -1 {
		return hard, true
	}
	return soft, false
}

// Exceeded tells which limit more znodes and bytes would break (Java:
// ZooKeeperServer.checkQuota): of each sort the hard limit, or the soft one if
// there is none, and only where there is a change. ok is false when none is.
func (q Quota) Exceeded(count, bytes int64) (w QuotaWarning, ok bool) {
	limit, hard := limitOf(q.Limits.Count, q.Limits.CountHard)
	if used := q.Usage.Count + count; count != 0 && limit > -1 && used > limit {
		return QuotaWarning{q.Path, false, hard, used, limit}, true
	}
	limit, hard = limitOf(q.Limits.Bytes, q.Limits.BytesHard)
	if used := q.Usage.Bytes + bytes; bytes != 0 && limit > -1 && used > limit {
		return QuotaWarning{q.Path, true, hard, used, limit}, true
	}
	return QuotaWarning{}, false
}
