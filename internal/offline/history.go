package offline

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// HistoryOptions say what of the history of a node is told.
type HistoryOptions struct {
	Path     string
	Children bool // also creates and deletes of its children
	JSON     bool
}

// History prints every transaction in the logs that changed a node, with what
// was there before and after. What was before the first one is taken from the
// snapshots, if the state then can be had. Memory is bounded by that.
func (d DataDir) History(fsys vfs.FS, o HistoryOptions, out, notes io.Writer) error {
	files, err := LogFiles(fsys, []string{d.LogDir})
	if err != nil {
		return err
	}
	h := &nodeHistory{dir: d, fsys: fsys, o: o, out: bufio.NewWriter(out), notes: notes}
	for _, f := range files {
		if err := h.file(f); err != nil {
			return err
		}
	}
	if err := h.out.Flush(); err != nil {
		return err
	}
	if h.told == 0 {
		fmt.Fprintf(notes, "quokka: no transaction in %s touched %s\n", d.LogDir, o.Path)
	}
	if h.damaged {
		return ErrDamaged
	}
	return nil
}

// nodeHistory follows one node through the logs.
type nodeHistory struct {
	dir   DataDir
	fsys  vfs.FS
	o     HistoryOptions
	out   *bufio.Writer
	notes io.Writer

	last    proto.Zxid // of the record before
	known   bool       // now is what the node was after last
	asked   bool       // for what it was, in vain
	now     *nodeValue // nil: there is no node
	told    int
	damaged bool
}

// nodeValue is what a node was at one moment.
type nodeValue struct {
	data    []byte
	version int32
	acl     []proto.ACL
	owner   proto.SessionID // of an ephemeral
}

func (h *nodeHistory) file(f LogFile) error {
	l, err := txnlog.OpenLone(h.fsys, f.Path)
	if isCorrupt(err) {
		h.lost(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		rec, ok, err := l.Next()
		if err != nil {
			return err
		}
		if ok {
			if err := h.record(rec); err != nil {
				return err
			}
			continue
		}
		end, err := l.End()
		if err != nil || end.State == txnlog.Whole {
			return err
		}
		if end.State == txnlog.Damaged || end.Next >= 0 {
			h.lost(endText(f, end))
		}
		if end.Next < 0 {
			return nil
		}
		l.Resume(end)
	}
}

// lost notes that changes may be missing from here on.
func (h *nodeHistory) lost(text string) {
	h.damaged, h.known, h.asked = true, false, false
	_ = h.out.Flush() // the last flush reports it
	fmt.Fprintln(h.notes, "quokka:", text)
}

func (h *nodeHistory) record(rec txnlog.Record) error {
	z := proto.Zxid(rec.Zxid)
	if z <= h.last {
		return nil // logged twice
	}
	if h.last != 0 && !txnlog.Follows(int64(h.last), int64(z)) {
		h.known, h.asked = false, false // a snapshot from the leader is between
	}
	h.last = z
	t, err := proto.DecodeTxn(rec.Payload)
	if err != nil {
		h.lost(fmt.Sprintf("%s at offset %d: record %v cannot be understood: %v", rec.File, rec.Offset, z, err))
		return nil
	}
	if failed(t) {
		return nil
	}
	if m, ok := t.Body.(*proto.MultiTxn); ok {
		for _, p := range m.Parts {
			if err := h.part(t, p.Op, p.Body, true); err != nil {
				return err
			}
		}
		return nil
	}
	return h.part(t, t.Op, t.Body, false)
}

// part follows one change.
func (h *nodeHistory) part(t *proto.Txn, op proto.Op, body proto.TxnBody, multi bool) error {
	e := event{txn: t, op: op, multi: multi, path: h.o.Path}
	if !h.touches(t, op, body) {
		return h.child(e, op, body)
	}
	if !h.known && makesNode(op) {
		h.known, h.now = true, nil // or it had been refused
	}
	h.baseline(t.Zxid)
	e.known, e.old = h.known, h.now
	h.apply(t, body)
	e.new = h.now
	return h.tell(e)
}

func makesNode(op proto.Op) bool {
	return op == proto.OpCreate || op == proto.OpCreate2 || op == proto.OpCreateContainer || op == proto.OpCreateTTL
}

func (h *nodeHistory) touches(t *proto.Txn, op proto.Op, body proto.TxnBody) bool {
	if op == proto.OpCheck {
		return false
	}
	if op == proto.OpCloseSession {
		list, ok := body.(*proto.CloseSessionTxn)
		return ok && slices.Contains(list.Paths, h.o.Path) ||
			h.known && h.now != nil && h.now.owner != 0 && h.now.owner == t.Session
	}
	return slices.Contains(bodyPaths(body), h.o.Path)
}

// child tells of a child that came or went.
func (h *nodeHistory) child(e event, op proto.Op, body proto.TxnBody) error {
	if !h.o.Children || op == proto.OpSetData || op == proto.OpSetACL || op == proto.OpReconfig || op == proto.OpCheck {
		return nil
	}
	for _, p := range bodyPaths(body) {
		if p != "/" && nodePath([]byte(proto.ParentOf(p))) == h.o.Path {
			e.path = p
			if err := h.tell(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// baseline finds out what the node was before the transaction z.
func (h *nodeHistory) baseline(z proto.Zxid) {
	if h.known || h.asked {
		return
	}
	h.asked = true
	s, err := h.dir.At(h.fsys, &Moment{Zxid: z - 1})
	if err != nil {
		fmt.Fprintf(h.notes, "quokka: what %s was before %v is not known: %v\n", h.o.Path, z, err)
		return
	}
	h.known, h.now = true, nil
	if r := s.Tree.FindString(h.o.Path); r != 0 {
		stat := s.Tree.Stat(r)
		h.now = &nodeValue{
			data: slices.Clone(s.Tree.Data(r)), version: stat.Version, acl: slices.Clone(effectiveACL(s.Tree, r)), owner: stat.EphemeralOwner,
		}
	}
}

// apply makes now what the node is after a transaction.
func (h *nodeHistory) apply(t *proto.Txn, body proto.TxnBody) {
	next := nodeValue{}
	if h.now != nil {
		next = *h.now
	}
	switch b := body.(type) {
	case *proto.CreateTxn:
		next = nodeValue{data: b.Data, acl: b.ACL}
		if b.Ephemeral {
			next.owner = t.Session
		}
		h.known = true
	case *proto.CreateContainerTxn:
		next, h.known = nodeValue{data: b.Data, acl: b.ACL}, true
	case *proto.CreateTTLTxn:
		next, h.known = nodeValue{data: b.Data, acl: b.ACL}, true
	case *proto.SetDataTxn:
		next.data, next.version = b.Data, b.Version
		h.known = true // but for the ACL, which may be unknown still
	case *proto.SetACLTxn:
		next.acl = b.ACL
	case *proto.DeleteTxn, *proto.CloseSessionTxn, nil:
		h.now, h.known = nil, true
		return
	}
	h.now = &next
}

// event is one line of a history.
type event struct {
	txn   *proto.Txn
	op    proto.Op
	multi bool
	path  string
	known bool       // old is
	old   *nodeValue // nil: there was no node
	new   *nodeValue
}

// eventJSON is an event in JSON. Old is left out if it is not known, and null if
// there was no node.
type eventJSON struct {
	Zxid    render.Hex      `json:"zxid"`
	Time    render.Time     `json:"time"`
	Session render.Hex      `json:"session"`
	Cxid    int32           `json:"cxid"`
	Type    string          `json:"type"`
	Multi   bool            `json:"multi,omitempty"`
	Path    string          `json:"path"`
	Old     json.RawMessage `json:"old,omitempty"`
	New     json.RawMessage `json:"new,omitempty"`
}

// valueJSON is a nodeValue in JSON.
type valueJSON struct {
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 []byte          `json:"dataBase64,omitempty"`
	Version    int32           `json:"version"`
	ACL        []render.ACL    `json:"acl,omitempty"`
	Owner      render.Hex      `json:"ephemeralOwner"`
}

func (v *nodeValue) json() (json.RawMessage, error) {
	if v == nil {
		return json.RawMessage("null"), nil
	}
	j := valueJSON{Version: v.version, ACL: aclsOf(v.acl), Owner: render.Hex(v.owner)}
	j.Data, j.DataBase64 = jsonData(v.data)
	return json.Marshal(j)
}

func (h *nodeHistory) tell(e event) error {
	h.told++
	ofNode := e.path == h.o.Path
	if h.o.JSON {
		j := eventJSON{
			Zxid: render.Hex(e.txn.Zxid), Time: safeTime(e.txn.Time), Session: render.Hex(e.txn.Session), Cxid: e.txn.Cxid,
			Type: e.op.String(), Multi: e.multi, Path: e.path,
		}
		var err error
		if ofNode && e.known {
			if j.Old, err = e.old.json(); err != nil {
				return err
			}
		}
		if ofNode {
			if j.New, err = e.new.json(); err != nil {
				return err
			}
		}
		return render.JSON(h.out, j, false)
	}
	op := e.op.String()
	if e.multi {
		op += " (multi)"
	}
	_, err := fmt.Fprintf(h.out, "%v  %s  session %v  %s%s\n", e.txn.Zxid, isoTime(e.txn.Time), e.txn.Session, op, e.text(ofNode))
	return err
}

// text says what changed.
func (e *event) text(ofNode bool) string {
	if !ofNode {
		return "  child " + render.Printable(e.path)
	}
	old := "?"
	if e.known {
		old = e.old.brief(e.op)
	}
	return "  " + old + " -> " + e.new.brief(e.op)
}

// maxShown is how many bytes of data a line of a history shows.
const maxShown = 120

// brief is what a node was, as far as it matters to an operation.
func (v *nodeValue) brief(op proto.Op) string {
	switch {
	case v == nil:
		return "none"
	case op == proto.OpSetACL && v.acl == nil:
		return "?" // only the data are known
	case op == proto.OpSetACL:
		return aclLine(v.acl)
	case v.data == nil:
		return fmt.Sprintf("null (version %d)", v.version)
	case !utf8.Valid(v.data):
		return fmt.Sprintf("%d bytes (version %d)", len(v.data), v.version)
	case len(v.data) > maxShown:
		cut := maxShown
		for !utf8.RuneStart(v.data[cut]) {
			cut--
		}
		return fmt.Sprintf("%s... %d bytes (version %d)", strconv.Quote(string(v.data[:cut])), len(v.data), v.version)
	}
	return fmt.Sprintf("%s (version %d)", strconv.Quote(string(v.data)), v.version)
}
