package offline

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// CompareOptions say how two snapshots are compared.
type CompareOptions struct {
	JSON bool // one difference on each line
	// ContentOnly leaves out versions, zxids, times and sessions.
	ContentOnly bool
	// Layers prints in the layout of Java's SnapshotComparer instead, with
	// its two thresholds.
	Layers       bool
	Bytes, Nodes int64
	Debug        bool      // of Layers: every comparison, and what the thresholds leave out
	Ask          io.Reader // of Layers: whoever writes there chooses what is compared; nil compares all
}

// CompareSnapshots prints what B has and A has not, what A has and B has not,
// and which nodes differ in what. The error is [ErrDifferent] if there is
// anything, whatever the thresholds hide.
func CompareSnapshots(fsys vfs.FS, a, b string, o CompareOptions, out, notes io.Writer) error {
	var snaps [2]*Snapshot
	for i, arg := range []string{a, b} {
		s, err := LoadSnapshot(fsys, arg)
		if err != nil {
			return err
		}
		for _, n := range s.Notes {
			fmt.Fprintln(notes, "quokka:", n)
		}
		snaps[i] = s
	}
	return compare(snaps[0], snaps[1], o, out)
}

// CompareDirs compares the states of two servers as of one moment; nil is the
// newest that both have. What differs then is no matter of one being behind:
// members of one ensemble must be equal at each zxid.
func CompareDirs(fsys vfs.FS, a, b DataDir, at *Moment, o CompareOptions, out, notes io.Writer) error {
	sa, err := a.At(fsys, at)
	if err != nil {
		return err
	}
	sb, err := b.At(fsys, at)
	if err != nil {
		return err
	}
	if common := min(sa.Zxid, sb.Zxid); sa.Zxid > common {
		sa, err = a.At(fsys, &Moment{Zxid: common})
	} else if sb.Zxid > common {
		sb, err = b.At(fsys, &Moment{Zxid: common})
	}
	if err != nil {
		return err
	}
	if sa.Zxid != sb.Zxid {
		return fmt.Errorf("%s and %s have no zxid in common below %v and %v", a.SnapDir, b.SnapDir, sa.Zxid, sb.Zxid)
	}
	for _, s := range []State{sa, sb} {
		for _, n := range append([]string{s.From}, s.Notes...) {
			fmt.Fprintln(notes, "quokka:", n)
		}
	}
	return compare(sa.picture(a), sb.picture(b), o, out)
}

// picture is a state as if a snapshot had been taken of it.
func (s *State) picture(d DataDir) *Snapshot {
	return &Snapshot{
		Info: snap.Info{Path: d.SnapDir, Zxid: s.Zxid, Nodes: s.Tree.NodeCount() - 1}, Tree: s.Tree, Sessions: s.Sessions,
	}
}

func compare(a, b *Snapshot, o CompareOptions, out io.Writer) error {
	c := &comparison{a: a, b: b, o: o, out: bufio.NewWriterSize(out, 64<<10), mute: o.Layers}
	err := c.run()
	if err == nil && o.Layers {
		err = c.layers()
	}
	if ferr := c.out.Flush(); err == nil {
		err = ferr
	}
	if err == nil && c.any() {
		err = ErrDifferent
	}
	return err
}

// comparison is one walk over two trees.
type comparison struct {
	a, b *Snapshot
	o    CompareOptions
	out  *bufio.Writer
	mute bool // count only

	added, removed, changed tally
	sessions                int // that differ
}

// tally counts nodes and their data.
type tally struct{ nodes, bytes int64 }

func (t *tally) add(n int) { t.nodes++; t.bytes += int64(n) }

func (c *comparison) any() bool {
	return c.added.nodes+c.removed.nodes+c.changed.nodes > 0 || c.sessions > 0
}

// change is a difference in JSON.
type change struct {
	Change  string       `json:"change"` // added, removed or changed
	Path    string       `json:"path,omitempty"`
	Session *render.Hex  `json:"session,omitempty"`
	What    []string     `json:"what,omitempty"` // differs
	Left    *changedNode `json:"left,omitempty"`
	Right   *changedNode `json:"right,omitempty"`
	LeftMS  *int32       `json:"leftTimeoutMS,omitempty"`
	RightMS *int32       `json:"rightTimeoutMS,omitempty"`
}

type changedNode struct {
	Bytes int          `json:"bytes"`
	Stat  *render.Stat `json:"stat"`
	ACL   []render.ACL `json:"acl"`
}

// pair is a path in both trees.
type pair struct{ a, b tree.Ref }

func (c *comparison) run() error {
	stack := []pair{{c.a.Tree.FindString("/"), c.b.Tree.FindString("/")}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if err := c.both(p); err != nil {
			return err
		}
		common, err := c.children(p)
		if err != nil {
			return err
		}
		slices.Reverse(common)
		stack = append(stack, common...)
	}
	if !c.o.ContentOnly {
		if err := c.compareSessions(); err != nil {
			return err
		}
	}
	return c.total()
}

// children compares the names below a pair and returns those that both have.
func (c *comparison) children(p pair) ([]pair, error) {
	as, bs := sortedChildren(c.a.Tree, p.a), sortedChildren(c.b.Tree, p.b)
	var common []pair
	var nameA, nameB []byte
	for len(as) > 0 || len(bs) > 0 {
		order := 0
		switch {
		case len(as) == 0:
			order = 1
		case len(bs) == 0:
			order = -1
		default:
			nameA, nameB = c.a.Tree.AppendName(nameA[:0], as[0]), c.b.Tree.AppendName(nameB[:0], bs[0])
			order = bytes.Compare(nameA, nameB)
		}
		var err error
		switch {
		case order < 0:
			err = c.alone("removed", '-', c.a, as[0], &c.removed)
			as = as[1:]
		case order > 0:
			err = c.alone("added", '+', c.b, bs[0], &c.added)
			bs = bs[1:]
		default:
			common = append(common, pair{as[0], bs[0]})
			as, bs = as[1:], bs[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	return common, nil
}

// alone tells of a subtree that only one side has.
func (c *comparison) alone(word string, sign byte, side *Snapshot, top tree.Ref, count *tally) error {
	st := side.State()
	return st.walk(top, func(r tree.Ref, _ int) error {
		count.add(len(side.Tree.Data(r)))
		if c.mute {
			return nil
		}
		path := nodePath(side.Tree.AppendPath(nil, r))
		if !c.o.JSON {
			_, err := fmt.Fprintf(c.out, "%c %s  %s\n", sign, render.Printable(path), st.brief(r))
			return err
		}
		d := change{Change: word, Path: path}
		if sign == '+' {
			d.Right = describe(st, r)
		} else {
			d.Left = describe(st, r)
		}
		return render.JSON(c.out, d, false)
	}, 0)
}

func describe(s *State, r tree.Ref) *changedNode {
	n := s.node(r, false)
	return &changedNode{Bytes: len(s.Tree.Data(r)), Stat: n.Stat, ACL: n.ACL}
}

// both compares a node that both have.
func (c *comparison) both(p pair) error {
	diffs := c.diffs(p)
	if len(diffs) == 0 {
		return nil
	}
	c.changed.add(max(len(c.a.Tree.Data(p.a)), len(c.b.Tree.Data(p.b))))
	if c.mute {
		return nil
	}
	path := nodePath(c.a.Tree.AppendPath(nil, p.a))
	if c.o.JSON {
		d := change{Change: "changed", Path: path, Left: describe(c.a.State(), p.a), Right: describe(c.b.State(), p.b)}
		for _, f := range diffs {
			d.What = append(d.What, f.name)
		}
		return render.JSON(c.out, d, false)
	}
	texts := make([]string, len(diffs))
	for i, f := range diffs {
		texts[i] = f.name + " " + f.text
	}
	_, err := fmt.Fprintf(c.out, "~ %s  %s\n", render.Printable(path), strings.Join(texts, ", "))
	return err
}

// difference is one thing in which two nodes differ.
type difference struct{ name, text string }

func (c *comparison) diffs(p pair) []difference {
	var list []difference
	say := func(differs bool, name, format string, args ...any) {
		if differs {
			list = append(list, difference{name, fmt.Sprintf(format, args...)})
		}
	}
	da, db := c.a.Tree.Data(p.a), c.b.Tree.Data(p.b)
	sa, sb := c.a.Tree.Persisted(p.a), c.b.Tree.Persisted(p.b)
	la, lb := effectiveACL(c.a.Tree, p.a), effectiveACL(c.b.Tree, p.b)
	say(!bytes.Equal(da, db) || (da == nil) != (db == nil), "data", "%s -> %s", dataSize(da), dataSize(db))
	say(!slices.Equal(la, lb), "acl", "%s -> %s", aclLine(la), aclLine(lb))
	say(sa.Owner != sb.Owner, "owner", "0x%x -> 0x%x", uint64(sa.Owner), uint64(sb.Owner))
	if c.o.ContentOnly {
		return list
	}
	say(sa.Czxid != sb.Czxid, "czxid", "%v -> %v", sa.Czxid, sb.Czxid)
	say(sa.Mzxid != sb.Mzxid, "mzxid", "%v -> %v", sa.Mzxid, sb.Mzxid)
	say(sa.Pzxid != sb.Pzxid, "pzxid", "%v -> %v", sa.Pzxid, sb.Pzxid)
	say(sa.Ctime != sb.Ctime, "ctime", "%s -> %s", isoTime(sa.Ctime), isoTime(sb.Ctime))
	say(sa.Mtime != sb.Mtime, "mtime", "%s -> %s", isoTime(sa.Mtime), isoTime(sb.Mtime))
	say(sa.Version != sb.Version, "version", "%d -> %d", sa.Version, sb.Version)
	say(sa.Cversion != sb.Cversion, "cversion", "%d -> %d", sa.Cversion, sb.Cversion)
	say(sa.Aversion != sb.Aversion, "aversion", "%d -> %d", sa.Aversion, sb.Aversion)
	return list
}

func dataSize(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%d bytes", len(b))
}

func aclLine(list []proto.ACL) string {
	texts := []string{}
	for _, a := range aclsOf(list) {
		texts = append(texts, a.String())
	}
	return render.Printable(strings.Join(texts, " "))
}

func (c *comparison) compareSessions() error {
	for id, ms := range c.a.Sessions.All() {
		other, ok := c.b.Sessions.Timeout(id)
		switch {
		case !ok:
			if err := c.session("removed", '-', id, &ms, nil); err != nil {
				return err
			}
		case other != ms:
			if err := c.session("changed", '~', id, &ms, &other); err != nil {
				return err
			}
		}
	}
	for id, ms := range c.b.Sessions.All() {
		if _, ok := c.a.Sessions.Timeout(id); ok {
			continue
		}
		if err := c.session("added", '+', id, nil, &ms); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) session(word string, sign byte, id proto.SessionID, left, right *int32) error {
	c.sessions++
	if c.mute {
		return nil
	}
	if c.o.JSON {
		hex := render.Hex(id)
		return render.JSON(c.out, change{Change: word, Session: &hex, LeftMS: left, RightMS: right}, false)
	}
	texts := []string{}
	for _, ms := range []*int32{left, right} {
		if ms != nil {
			texts = append(texts, fmt.Sprintf("%d ms", *ms))
		}
	}
	_, err := fmt.Fprintf(c.out, "%c session %v  %s\n", sign, id, strings.Join(texts, " -> "))
	return err
}

// total sums up, for people.
func (c *comparison) total() error {
	if c.mute || c.o.JSON {
		return nil
	}
	if !c.any() {
		_, err := fmt.Fprintf(c.out, "no difference: %d nodes, %d sessions\n", c.a.Info.Nodes, c.a.Sessions.Len())
		return err
	}
	_, err := fmt.Fprintf(c.out, "%d nodes added (%d bytes), %d removed (%d bytes), %d changed; %d sessions differ\n",
		c.added.nodes, c.added.bytes, c.removed.nodes, c.removed.bytes, c.changed.nodes, c.sessions)
	return err
}
