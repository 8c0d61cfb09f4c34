package recipe

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A QueueLayout says where the nodes of a [Queue] lie and what they look like,
// so that programs that use other libraries can share it. All programs at one
// queue must use the same layout.
type QueueLayout int

// The layouts.
const (
	// KazooLockingQueue is the layout of kazoo's LockingQueue: items in
	// PATH/entries, claims in PATH/taken. It is the default.
	KazooLockingQueue QueueLayout = iota
	// KazooQueue is the layout of kazoo's Queue: items in PATH. Programs
	// with kazoo know no claims, see [Queue.Take].
	KazooQueue
	// CuratorQueue is the layout of Curator's DistributedQueue and
	// DistributedPriorityQueue: items in PATH, framed by Curator's
	// ItemSerializer, and claims in the queue's lockPath, which must be given
	// as [QueueOptions.Claims] when the programs with Curator use one. Those
	// that use none know no claims.
	CuratorQueue
	// CuratorSimpleQueue is the layout of Curator's SimpleDistributedQueue:
	// items in PATH. Programs with Curator know no claims.
	CuratorSimpleQueue
)

// A queueFormat is what a layout means.
type queueFormat struct {
	prefix string // of the names of items
	// priority writes what follows the prefix, width characters.
	priority func(n int) string
	parse    func(s string) (int, error)
	width    int
	low      int // bounds of priorities
	high     int
	framed   bool
}

// DefaultPriority is the priority of items that kazoo puts without one.
const DefaultPriority = 100

var kazooFormat = queueFormat{
	prefix: "entry-", low: 0, high: 999, width: 4,
	priority: func(n int) string { return fmt.Sprintf("%03d-", n) },
	parse:    func(s string) (int, error) { return strconv.Atoi(s[:3]) },
}

// Curator writes a digit for the sign, so that names sort by priority, and
// the 32 bits in hexadecimal (DistributedPriorityQueue.priorityToString).
// Items of its DistributedQueue have no priority.
var curatorPriorityFormat = queueFormat{
	prefix: "queue-", low: -1 << 31, high: 1<<31 - 1, width: 9, framed: true,
	priority: func(n int) string {
		if n < 0 {
			return fmt.Sprintf("0%08X", uint32(n))
		}
		return fmt.Sprintf("1%08X", uint32(n))
	},
	parse: func(s string) (int, error) {
		n, err := strconv.ParseUint(s[1:], 16, 32)
		return int(int32(uint32(n))), err
	},
}

var (
	curatorFormat = queueFormat{prefix: "queue-", framed: true, priority: unranked, parse: noRank}
	simpleFormat  = queueFormat{prefix: "qn-", priority: unranked, parse: noRank}
)

func unranked(int) string        { return "" }
func noRank(string) (int, error) { return 0, nil }

// A rank is an item's place in the queue.
type rank struct {
	name     string
	priority int
	sequence int32
}

// rank reads the name of an item.
func (f *queueFormat) rank(name string) (r rank, ok bool) {
	rest, ok := strings.CutPrefix(name, f.prefix)
	if !ok || len(rest) < f.width+sequenceDigits {
		return rank{}, false
	}
	priority, err := f.parse(rest[:f.width])
	if err != nil {
		return rank{}, false
	}
	n, err := strconv.ParseInt(rest[f.width:], 10, 32)
	return rank{name, priority, int32(n)}, err == nil
}

// inLine returns the items among names, the first to be taken first. Sequence
// numbers overflow, so what counts is their difference.
func (f *queueFormat) inLine(names []string) []rank {
	var all []rank
	for _, name := range names {
		if r, ok := f.rank(name); ok {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil
	}
	zero := all[0].sequence
	slices.SortFunc(all, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.sequence-zero, b.sequence-zero))
	})
	return all
}

func (l QueueLayout) format(priorities bool) (queueFormat, error) {
	switch {
	case l == KazooLockingQueue || l == KazooQueue:
		return kazooFormat, nil
	case l == CuratorQueue && priorities:
		return curatorPriorityFormat, nil
	case l == CuratorQueue:
		return curatorFormat, nil
	case l == CuratorSimpleQueue && !priorities:
		return simpleFormat, nil
	case l == CuratorSimpleQueue:
		return queueFormat{}, errors.New("the layout CuratorSimpleQueue has no priorities: use CuratorQueue or a layout of kazoo")
	}
	return queueFormat{}, fmt.Errorf("unknown queue layout %d", l)
}

// pack returns the data of a node with one item.
func (f *queueFormat) pack(item []byte) []byte {
	if !f.framed {
		return item
	}
	b := binary.BigEndian.AppendUint32(nil, frameVersion)
	b = append(b, frameItem)
	b = binary.BigEndian.AppendUint32(b, uint32(len(item)))
	return append(append(b, item...), frameEnd)
}

// The numbers of Curator's ItemSerializer.
const (
	frameVersion = 0x00010001
	frameItem    = 1
	frameEnd     = 2
)

var errFrame = errors.New("the node's data is not what Curator's ItemSerializer writes")

// unpack returns the items in a node's data: one, or several if Curator's
// putMulti wrote it.
func (f *queueFormat) unpack(b []byte) ([][]byte, error) {
	if !f.framed {
		return [][]byte{b}, nil
	}
	if len(b) < 4 || binary.BigEndian.Uint32(b) != frameVersion {
		return nil, errFrame
	}
	var all [][]byte
	for b = b[4:]; len(b) > 0; {
		switch {
		case b[0] == frameEnd:
			return all, nil
		case b[0] != frameItem || len(b) < 5:
			return nil, errFrame
		}
		n := binary.BigEndian.Uint32(b[1:])
		if b = b[5:]; uint64(n) > uint64(len(b)) {
			return nil, errFrame
		}
		all = append(all, b[:n:n])
		b = b[n:]
	}
	return nil, errFrame
}
