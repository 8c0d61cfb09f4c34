package check

import (
	"slices"
	"sort"

	"quokka/internal/proto"
)

// A Mark names a history: the zxid of its last transaction and a hash over
// the bytes of all of them. Two equal marks are two equal histories. The zero
// Mark is the empty history.
type Mark struct {
	Zxid  proto.Zxid
	Chain uint64
}

// Next returns the history with one transaction more.
func (m Mark) Next(z proto.Zxid, raw []byte) Mark {
	const prime = 1099511628211 // FNV-1a
	h := m.Chain ^ 14695981039346656037
	h = (h ^ uint64(z)) * prime
	for _, b := range raw {
		h = (h ^ uint64(b)) * prime
	}
	return Mark{Zxid: z, Chain: h}
}

// Follows tells whether z may come right after last: the next of the same
// epoch, or the first of a later one.
func Follows(last, z proto.Zxid) bool {
	return z == last+1 && z.Counter() > 1 || z.Epoch() > last.Epoch() && z.Counter() == 1 ||
		z == last+1 && last.Counter() == 0
}

// A Log is a history with all its prefixes, from the beginning of time.
type Log struct{ marks []Mark }

// Last returns the mark of the whole log.
func (l Log) Last() Mark {
	if len(l.marks) == 0 {
		return Mark{}
	}
	return l.marks[len(l.marks)-1]
}

// Len returns the number of transactions.
func (l Log) Len() int { return len(l.marks) }

// At returns the mark of the longest prefix with no transaction after z.
func (l Log) At(z proto.Zxid) Mark {
	n := len(l.marks)
	if n == 0 || l.marks[n-1].Zxid <= z {
		return l.Last()
	}
	i := sort.Search(n, func(i int) bool { return l.marks[i].Zxid > z })
	if i == 0 {
		return Mark{}
	}
	return l.marks[i-1]
}

// Has tells whether the history m is a prefix of the log.
func (l Log) Has(m Mark) bool { return l.At(m.Zxid) == m }

// Append adds a transaction.
func (l *Log) Append(m Mark) { l.marks = append(l.marks, m) }

// Cut drops what is after z.
func (l *Log) Cut(z proto.Zxid) {
	n := len(l.marks)
	for n > 0 && l.marks[n-1].Zxid > z {
		n--
	}
	l.marks = l.marks[:n]
}

// Upto returns a copy of the part up to z.
func (l Log) Upto(z proto.Zxid) Log {
	n := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Zxid > z })
	return Log{marks: slices.Clone(l.marks[:n])}
}

// After returns the marks behind z; they must not be changed.
func (l Log) After(z proto.Zxid) []Mark {
	n := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Zxid > z })
	return l.marks[n:]
}
