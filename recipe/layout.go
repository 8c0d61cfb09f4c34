package recipe

import (
	"slices"
	"strconv"
	"strings"
)

// A Layout says how the nodes of a recipe are named. Programs that share a
// path must agree on it as far as they are not written in Go: the recipes of
// this package recognise the contenders of all layouts, whichever they write
// themselves, and order them by their sequence numbers.
type Layout int

// The layouts.
const (
	// Curator is that of Apache Curator and go-zookeeper/zk.
	Curator Layout = iota
	// Kazoo is that of kazoo.
	Kazoo
	// Selector is that of Curator's LeaderSelector, for an Election; Curator
	// means LeaderLatch there. Elsewhere it is the same as Curator.
	Selector
)

// String returns the name in lower case.
func (l Layout) String() string {
	switch l {
	case Curator:
		return "curator"
	case Kazoo:
		return "kazoo"
	case Selector:
		return "selector"
	}
	return "unknown"
}

// What stands before the sequence number in the names of nodes.
const (
	curatorLock  = "lock-"    // InterProcessMutex, LeaderSelector
	curatorLatch = "latch-"   // LeaderLatch
	curatorRead  = "__READ__" // InterProcessReadWriteLock
	curatorWrite = "__WRIT__"
	kazooLock    = "__lock__" // Lock, WriteLock, Election
	kazooRead    = "__rlock__"
)

const sequenceDigits = 10

// sequence returns the number at the end of a name that has one of kinds
// before it. The server writes an int32 with ten digits, and a minus sign
// before them once it has overflowed.
func sequence(name string, kinds []string) (n int32, ok bool) {
	if len(name) < sequenceDigits {
		return 0, false
	}
	head, digits := name[:len(name)-sequenceDigits], name[len(name)-sequenceDigits:]
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	for _, kind := range kinds {
		switch {
		case strings.HasSuffix(head, kind):
		case strings.HasSuffix(head, kind+"-"):
			digits = "-" + digits
		default:
			continue
		}
		v, err := strconv.ParseInt(digits, 10, 32)
		return int32(v), err == nil
	}
	return 0, false
}

// predecessor returns the last of those names that have one of kinds and a
// number before that of own. Numbers overflow, so what counts is the
// difference, and not, as in Curator and kazoo, how they compare as text.
func predecessor(names []string, own int32, kinds []string) (name string, ok bool) {
	var best int32
	for _, s := range names {
		n, is := sequence(s, kinds)
		if d := n - own; is && d < 0 && (!ok || d > best) {
			name, best, ok = s, d, true
		}
	}
	return name, ok
}

// inOrder returns the names that have one of kinds, by their numbers.
func inOrder(names, kinds []string) []string {
	var all []string
	for _, s := range names {
		if _, ok := sequence(s, kinds); ok {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil
	}
	zero, _ := sequence(all[0], kinds)
	from := func(s string) int32 {
		n, _ := sequence(s, kinds)
		return n - zero
	}
	slices.SortFunc(all, func(a, b string) int {
		if d := int(from(a)) - int(from(b)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return all
}
