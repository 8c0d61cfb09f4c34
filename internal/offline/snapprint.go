package offline

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
	"quokka/internal/render"
)

// A SnapshotFormat is how a snapshot is printed.
type SnapshotFormat string

// The formats.
const (
	SnapshotText SnapshotFormat = "text" // as Java's SnapshotFormatter
	SnapshotJSON SnapshotFormat = "json" // an object on each line: the file, its nodes, its sessions
	SnapshotNcdu SnapshotFormat = "ncdu" // as SnapshotFormatter -json: sizes for ncdu -f
)

// PrintSnapshot prints a snapshot; data says that a text has the data of the
// nodes, in base64, and not only its length.
func PrintSnapshot(fsys vfs.FS, arg string, format SnapshotFormat, data bool, out, notes io.Writer) error {
	s, err := LoadSnapshot(fsys, arg)
	if err != nil {
		return err
	}
	for _, n := range s.Notes {
		fmt.Fprintln(notes, "quokka:", n)
	}
	w := bufio.NewWriterSize(out, 64<<10)
	switch format {
	case SnapshotJSON:
		err = s.json(w)
	case SnapshotNcdu:
		err = s.ncdu(w, time.Now())
	default:
		err = s.text(w, data)
	}
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	return err
}

// State is what the snapshot holds, for what can be asked of states.
func (s *Snapshot) State() *State {
	return &State{Tree: s.Tree, Sessions: s.Sessions, Zxid: s.Info.Zxid}
}

// text has the layout of SnapshotFormatter; brothers are sorted by name, while
// Java has them in the order of a hash table.
func (s *Snapshot) text(w *bufio.Writer, data bool) error {
	last := s.Info.Zxid
	fmt.Fprintf(w, "ZNode Details (count=%d):\n", s.Tree.NodeCount())
	err := s.State().walk(s.Tree.FindString("/"), func(r tree.Ref, _ int) error {
		st := s.Tree.Persisted(r)
		last = max(last, st.Mzxid, st.Pzxid)
		fmt.Fprintf(w, "----\n%s\n", render.Printable(nodePath(s.Tree.AppendPath(nil, r))))
		writePersisted(w, &st)
		content := s.Tree.Data(r)
		if data {
			_, err := fmt.Fprintf(w, "  data = %s\n", base64.StdEncoding.EncodeToString(content))
			return err
		}
		_, err := fmt.Fprintf(w, "  dataLength = %d\n", len(content))
		return err
	}, 0)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "----\nSession Details (sid, timeout, ephemeralCount):\n")
	for id, timeoutMS := range s.Sessions.All() {
		fmt.Fprintf(w, "%s, %d, %d\n", wideHex(int64(id)), timeoutMS, len(s.Tree.Ephemerals(id)))
	}
	if s.Info.HasDigest {
		fmt.Fprintf(w, "Target zxid digest is: %x, %d\n", uint64(s.Info.DigestZxid), int64(s.Info.Digest))
	}
	_, err = fmt.Fprintf(w, "----\nLast zxid: 0x%x\n", uint64(last))
	return err
}

func writePersisted(w io.Writer, st *proto.StatPersisted) {
	fmt.Fprintf(w, "  cZxid = %s\n  ctime = %s\n  mZxid = %s\n  mtime = %s\n  pZxid = %s\n",
		wideHex(int64(st.Czxid)), safeTime(st.Ctime).Java(time.Local), wideHex(int64(st.Mzxid)), safeTime(st.Mtime).Java(time.Local),
		wideHex(int64(st.Pzxid)))
	fmt.Fprintf(w, "  cversion = %d\n  dataVersion = %d\n  aclVersion = %d\n  ephemeralOwner = %s\n",
		st.Cversion, st.Version, st.Aversion, wideHex(st.Owner))
}

// wideHex is Java's %#016x: 0x and digits, 16 characters together at least.
func wideHex(n int64) string { return fmt.Sprintf("0x%014x", uint64(n)) }

// snapshotJSON is the first line of a snapshot in JSON.
type snapshotJSON struct {
	Snapshot      string      `json:"snapshot"`
	Zxid          render.Hex  `json:"zxid"`
	Bytes         int64       `json:"bytes"`
	Nodes         int         `json:"nodes"`
	Sessions      int         `json:"sessions"`
	DigestZxid    *render.Hex `json:"digestZxid,omitempty"`
	Digest        *render.Hex `json:"digest,omitempty"`
	LastProcessed *render.Hex `json:"lastProcessedZxid,omitempty"`
}

// sessionJSON is a session of a snapshot.
type sessionJSON struct {
	Session    render.Hex `json:"session"`
	TimeoutMS  int32      `json:"timeoutMS"`
	Ephemerals int        `json:"ephemerals"`
}

func (s *Snapshot) json(w *bufio.Writer) error {
	i := &s.Info
	head := snapshotJSON{Snapshot: i.Path, Zxid: render.Hex(i.Zxid), Bytes: i.Size, Nodes: i.Nodes, Sessions: i.Sessions}
	if i.HasDigest {
		z, d := render.Hex(i.DigestZxid), render.Hex(i.Digest)
		head.DigestZxid, head.Digest = &z, &d
	}
	if i.HasLastProcessed {
		z := render.Hex(i.LastProcessed)
		head.LastProcessed = &z
	}
	if err := render.JSON(w, head, false); err != nil {
		return err
	}
	st := s.State()
	err := st.walk(s.Tree.FindString("/"), func(r tree.Ref, _ int) error { return render.JSON(w, st.node(r, true), false) }, 0)
	if err != nil {
		return err
	}
	for id, timeoutMS := range s.Sessions.All() {
		j := sessionJSON{Session: render.Hex(id), TimeoutMS: timeoutMS, Ephemerals: len(s.Tree.Ephemerals(id))}
		if err := render.JSON(w, j, false); err != nil {
			return err
		}
	}
	return nil
}

// ncdu writes the format of https://dev.yorhel.nl/ncdu/jsonfmt, as Java does: a
// node with children is a list that begins with the node.
func (s *Snapshot) ncdu(w *bufio.Writer, now time.Time) error {
	fmt.Fprintf(w, `[1,0,{"progname":"quokka","progver":"1","timestamp":%d}`, now.UnixMilli())
	open, inode := 0, 1000 // lists that are open; a number for each node
	levels := []int{}      // at which lists were opened
	err := s.State().walk(s.Tree.FindString("/"), func(r tree.Ref, level int) error {
		for len(levels) > 0 && levels[len(levels)-1] >= level {
			levels, open = levels[:len(levels)-1], open-1
			w.WriteByte(']')
		}
		name := string(s.Tree.AppendName(nil, r))
		if level == 0 {
			name = "/"
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		w.WriteByte(',')
		if s.Tree.NumChildren(r) > 0 {
			levels, open = append(levels, level), open+1
			w.WriteByte('[')
		}
		size := len(s.Tree.Data(r))
		inode++
		_, err = fmt.Fprintf(w, `{"name":%s,"asize":%d,"dsize":%d,"dev":0,"ino":%d}`, quoted, size, size, inode)
		return err
	}, 0)
	for range open + 1 {
		w.WriteByte(']')
	}
	fmt.Fprintln(w)
	return err
}
