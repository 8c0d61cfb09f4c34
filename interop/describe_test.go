package interop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// masker turns what must differ between two servers (session ids, times) into what must not.
type masker struct {
	sessions map[int64]string
	exact    bool // times and session ids stay as they are: two servers over the same data directory
	sortACLs bool // the scheme auth expands to several identities, in Java in the order of a hash set
}

func newMasker() *masker { return &masker{sessions: map[int64]string{0: "none"}} }

// name records a session under a name common to both servers.
func (m *masker) name(session int64, name string) { m.sessions[session] = name }

func (m *masker) owner(session int64) string {
	if m.exact {
		return fmt.Sprintf("%#x", session)
	}
	if name, ok := m.sessions[session]; ok {
		return name
	}
	return fmt.Sprintf("unknown session %#x", session)
}

// time keeps only whether a time is there at all: built-in nodes have time 0.
func (m *masker) time(ms int64) string {
	switch {
	case m.exact:
		return fmt.Sprint(ms)
	case ms == 0:
		return "0"
	}
	return "T"
}

func (m *masker) stat(s rawStat) string {
	return fmt.Sprintf("{c=%d m=%d p=%d ct=%s mt=%s v=%d cv=%d av=%d owner=%s len=%d kids=%d}",
		s.czxid, s.mzxid, s.pzxid, m.time(s.ctime), m.time(s.mtime), s.version, s.cversion, s.aversion,
		m.owner(s.owner), s.dataLength, s.numChildren)
}

func describeACL(list []rawACL) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "[%d %s %s]", a.perms, a.scheme, a.id)
	}
	return b.String()
}

func (m *masker) acl(list []rawACL) string {
	if m.sortACLs {
		slices.SortFunc(list, func(a, b rawACL) int { return cmp.Compare(describeACL([]rawACL{a}), describeACL([]rawACL{b})) })
	}
	return describeACL(list)
}

func describeData(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

func sorted(list []string) string {
	slices.Sort(list)
	return fmt.Sprintf("%q", list)
}

// reply describes a reply completely: header and decoded body.
func (m *masker) reply(op int32, r reply) string {
	head := fmt.Sprintf("zxid=%d err=%d", r.zxid, r.err)
	if len(r.body) == 0 {
		return head
	}
	u := &unpacker{b: r.body}
	body := m.body(op, u)
	if u.err != nil || len(u.b) > 0 {
		return fmt.Sprintf("%s UNREADABLE BODY %x (%v)", head, r.body, u.err)
	}
	return head + " " + body
}

func (m *masker) body(op int32, u *unpacker) string {
	switch op {
	case opCreate, opSync:
		return fmt.Sprintf("path=%q", u.str())
	case opCreate2, opCreateContainer, opCreateTTL:
		return fmt.Sprintf("path=%q %s", u.str(), m.stat(u.stat()))
	case opExists, opSetData, opSetACL:
		return m.stat(u.stat())
	case opGetData, opReconfig:
		return describeData(u.buf()) + " " + m.stat(u.stat())
	case opGetACL:
		return m.acl(u.acls()) + " " + m.stat(u.stat())
	case opGetChildren, opGetEphemerals:
		return sorted(u.strs())
	case opGetChildren2:
		return sorted(u.strs()) + " " + m.stat(u.stat())
	case opGetAllChildren, opAddWatch:
		return fmt.Sprint(u.i32())
	case opWhoAmI:
		return sorted(whoAmI(u))
	case opMulti, opMultiRead:
		return m.multi(u)
	}
	return fmt.Sprintf("%x", u.take(len(u.b)))
}

func whoAmI(u *unpacker) []string {
	list := []string{}
	for range max(0, u.count()) {
		list = append(list, u.str()+":"+u.str())
	}
	return list
}

// multi describes the results of a multi; an error result carries its code twice.
func (m *masker) multi(u *unpacker) string {
	var b strings.Builder
	for u.err == nil {
		op, done, code := u.i32(), u.flag(), u.i32()
		if done {
			fmt.Fprintf(&b, "(end %d %d)", op, code)
			return b.String()
		}
		fmt.Fprintf(&b, "(%d %d ", op, code)
		switch op {
		case -1:
			fmt.Fprintf(&b, "error %d", u.i32())
		case opCreate:
			fmt.Fprintf(&b, "%q", u.str())
		case opCreate2, opCreateContainer, opCreateTTL:
			fmt.Fprintf(&b, "%q %s", u.str(), m.stat(u.stat()))
		case opSetData:
			b.WriteString(m.stat(u.stat()))
		case opGetData:
			b.WriteString(describeData(u.buf()) + " " + m.stat(u.stat()))
		case opGetChildren:
			b.WriteString(sorted(u.strs()))
		}
		b.WriteString(")")
	}
	return b.String()
}

// describeEvents lists events in their order, without the header zxid.
func describeEvents(list []event) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "<%d %d %q>", e.kind, e.state, e.path)
	}
	return b.String()
}
