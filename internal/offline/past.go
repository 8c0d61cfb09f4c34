package offline

import (
	"errors"
	"fmt"
	"time"

	"quokka/internal/core/session"
	"quokka/internal/core/state"
	"quokka/internal/core/tree"
	"quokka/internal/disk/store"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// treeOptions read stored owners. That a log has nodes with a time to live says
// that its servers have zookeeper.extendedTypesEnabled; where they have not, the
// owners in question belong to no session of theirs.
var treeOptions = tree.Options{ExtendedTypes: true}

// A State is a tree and its sessions as of a zxid.
type State struct {
	Tree     *tree.Tree
	Sessions *session.Table
	Zxid     proto.Zxid
	// From is how it was made, for people, and Notes are doubts about it.
	From  string
	Notes []string
}

// tries is how often a directory is read in which a server removes files.
const tries = 4

// peek is what a server would recover, all of it or as of a zxid.
func (d DataDir) peek(fsys vfs.FS, until *proto.Zxid) (store.Peeked, error) {
	var p store.Peeked
	var err error
	for range tries {
		var st *state.State
		p, err = store.Peek(fsys, store.Options{Tree: treeOptions, Digest: true},
			store.Glance{SnapDir: d.SnapDir, LogDir: d.LogDir, Until: until},
			store.OnState(state.Options{Tree: treeOptions, Digest: true}, &st))
		if err == nil || !store.Vanished(err) {
			break
		}
	}
	return p, err
}

// At returns the state as of a moment; nil is the newest.
func (d DataDir) At(fsys vfs.FS, m *Moment) (State, error) {
	var until *proto.Zxid
	if m != nil {
		z := m.Zxid
		if m.IsTime {
			var err error
			if z, err = d.zxidAt(fsys, m.Time); err != nil {
				return State{}, err
			}
		}
		until = &z
	}
	p, err := d.peek(fsys, until)
	if err != nil {
		return State{}, err
	}
	if p.LastZxid == store.NoData {
		return State{}, fmt.Errorf("there is no data in %s: neither a snapshot nor a transaction", d.SnapDir)
	}
	s := State{Tree: p.Tree, Sessions: p.Sessions, Zxid: p.LastZxid}
	s.From = fmt.Sprintf("as of %v: %s and %d transactions", p.LastZxid, p.Report.Snapshot.Path, p.Report.Txns)
	s.doubt(&p, until)
	if until != nil {
		return s, s.exact(*until, p.Report.Snapshot.Path)
	}
	return s, nil
}

// doubt notes what makes the state less than sure.
func (s *State) doubt(p *store.Peeked, until *proto.Zxid) {
	say := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	r := &p.Report
	for _, k := range r.Skipped {
		say("snapshot %s was passed over: %v", k.Snapshot.Path, k.Err)
	}
	if r.Resumed != "" {
		say("a crash interrupted %s", r.Resumed)
	}
	if t := tailText(r.Tail); t != "" {
		say("not counted, as a server would cut it: %s", t)
	}
	if until != nil && *until > p.LastZxid {
		say("there is nothing after %v: this is the newest state", p.LastZxid)
	}
	if p.BelowFloor {
		say("a server would not start from that far back: the log may lack transactions where the epoch changes")
	}
	if until != nil && !r.Snapshot.HasDigest && r.Snapshot.Zxid > 0 {
		say("snapshot %s does not say up to which transaction it was being written; what came soon after %v may be in it",
			r.Snapshot.Path, r.Snapshot.Zxid)
	}
	if until == nil && r.Snapshot.DigestZxid > p.LastZxid {
		say("the log ends at %v, and the snapshot may contain effects up to %v", p.LastZxid, r.Snapshot.DigestZxid)
	}
	if r.DigestMismatches > 0 {
		say("%d digests in the log differ from the tree's, first at %v: the tree is not what the leader had", r.DigestMismatches, r.FirstMismatch)
	}
}

// exact refuses a state with nodes from after its moment: the snapshot was
// fuzzy, and did not say so.
func (s *State) exact(until proto.Zxid, snapshot string) error {
	view := s.Tree.View()
	defer view.Close()
	for n := range view.Nodes() {
		if z := max(n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Pzxid); z > until {
			return fmt.Errorf("the state as of %v cannot be had: snapshot %s was written while later transactions were applied, and has "+
				"an effect of %v (node %s); ask for %v or later", until, snapshot, z, nodePath(n.Path), z)
		}
	}
	return nil
}

func nodePath(p []byte) string {
	if len(p) == 0 {
		return "/"
	}
	return string(p)
}

var errFound = errors.New("found")

// zxidAt is the zxid of the last transaction before the first one with a later
// time than t.
func (d DataDir) zxidAt(fsys vfs.FS, t time.Time) (proto.Zxid, error) {
	files, err := txnlog.Files(fsys, d.LogDir)
	if err != nil {
		return 0, err
	}
	start, begins := -1, time.Time{}
	for i, f := range files {
		h, ok, err := firstHeader(fsys, f.Path)
		if err != nil {
			return 0, err
		}
		if ok && begins.IsZero() {
			begins = instant(h.Time)
		}
		if ok && !instant(h.Time).After(t) {
			start = i
		}
	}
	if start < 0 {
		if begins.IsZero() {
			return 0, fmt.Errorf("there is no transaction in %s, so times mean nothing; name a zxid, or none for the newest state", d.LogDir)
		}
		return 0, fmt.Errorf("the logs in %s begin at %s; what was before cannot be found by time, name the zxid of a snapshot",
			d.LogDir, begins.UTC().Format(time.RFC3339Nano))
	}
	last := proto.Zxid(0)
	for _, f := range files[start:] {
		err := eachTxnHeader(fsys, f.Path, func(h *proto.TxnHeader) error {
			if instant(h.Time).After(t) {
				return errFound
			}
			last = h.Zxid
			return nil
		})
		if errors.Is(err, errFound) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return last, nil
}

func firstHeader(fsys vfs.FS, path string) (first proto.TxnHeader, ok bool, err error) {
	err = eachTxnHeader(fsys, path, func(h *proto.TxnHeader) error {
		first, ok = *h, true
		return errFound
	})
	if errors.Is(err, errFound) || isCorrupt(err) {
		err = nil // whoever needs the file is told
	}
	return first, ok, err
}

// eachTxnHeader visits the headers of a file up to where its records end.
func eachTxnHeader(fsys vfs.FS, path string, visit func(*proto.TxnHeader) error) error {
	l, err := txnlog.OpenLone(fsys, path)
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		rec, ok, err := l.Next()
		if err != nil || !ok {
			return err
		}
		h, ok := proto.DecodeTxnHeader(rec.Payload)
		if !ok {
			continue
		}
		if err := visit(&h); err != nil {
			return err
		}
	}
}
