package subtree

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"quokka/client"
)

// The first line of an export, and the name that says what it is.
const (
	exportFormat  = "quokka-export"
	exportVersion = 1
)

// An ExportHeader is the first line of an export.
type ExportHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Root    string    `json:"root"`             // the subtree's path where it came from
	Source  string    `json:"source,omitempty"` // servers or file
	Created time.Time `json:"created"`
}

// A record is the line of a node.
type record struct {
	Path    string  `json:"path"` // below the root
	Kind    string  `json:"kind,omitempty"`
	TTL     int64   `json:"ttlMS,omitempty"`
	Owner   string  `json:"owner,omitempty"` // of an ephemeral node, hexadecimal
	ACL     []entry `json:"acl,omitempty"`
	Counter *int64  `json:"counter,omitempty"`
	Version int32   `json:"version"`
	Mtime   int64   `json:"mtimeMS"`
	Data    *string `json:"data,omitempty"`
	Base64  *string `json:"dataBase64,omitempty"`
}

// An entry is one of an ACL.
type entry struct {
	Perms  string `json:"perms"` // letters of cdrwa
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

// A footer is the last line.
type footer struct {
	End    bool   `json:"end"`
	Nodes  int64  `json:"nodes"`
	SHA256 string `json:"sha256"` // of all bytes before this line
}

// WriteExport writes a stream of nodes in the order of a walk, as lines of
// JSON: a header, one line for each node, and a footer with their count and a
// checksum, by which a file that was cut off is told from a whole one. The
// format is described in docs/format/export.md.
//
// A node that could not be read, or whose ACL the server has masked, is left
// out, and so is what is below it; the error then is a [*PartialError] and the
// export is whole in itself.
func WriteExport(out io.Writer, h ExportHeader, nodes iter.Seq2[Node, error], progress func(Report)) (Report, error) {
	sum := sha256.New()
	e := &exporter{sum: sum, out: out, json: json.NewEncoder(io.MultiWriter(out, sum))}
	e.json.SetEscapeHTML(false)
	h.Format, h.Version = exportFormat, exportVersion
	if err := e.json.Encode(h); err != nil {
		return e.r, err
	}
	var tick ticker
	for n, err := range nodes {
		if err != nil {
			return e.r, err
		}
		e.r.Seen++
		tick.tell(progress, &e.r)
		if err := e.node(h.Root, &n); err != nil {
			return e.r, err
		}
	}
	end := footer{End: true, Nodes: e.r.Seen - e.r.Failed, SHA256: hex.EncodeToString(sum.Sum(nil))}
	if err := e.json.Encode(end); err != nil {
		return e.r, err
	}
	return e.r, e.r.Err()
}

type exporter struct {
	sum  hash.Hash
	out  io.Writer
	json *json.Encoder
	r    Report
	lost string // the last node that was left out
}

func (e *exporter) node(root string, n *Node) error {
	at := Join(root, n.Path)
	switch {
	case e.lost != "" && Within(e.lost, n.Path):
		e.r.fail(at, "export", errNoParent)
		return nil
	case n.Err != nil:
		e.lost = n.Path
		e.r.fail(at, "export", n.Err)
		return nil
	case masked(n.ACL):
		e.lost = n.Path
		e.r.fail(at, "export", errMasked)
		return nil
	}
	e.r.Bytes += int64(len(n.Data))
	return e.json.Encode(n.record())
}

func (n *Node) record() *record {
	r := &record{Path: n.Path, Kind: n.Kind.String(), Version: n.Stat.Version, Mtime: n.Stat.Mtime.UnixMilli()}
	if n.Kind == TTL {
		r.TTL = n.TTL.Milliseconds()
	}
	if n.Kind == Ephemeral {
		r.Owner = n.Stat.EphemeralOwner.String()
	}
	if n.Counter >= 0 {
		r.Counter = &n.Counter
	}
	for _, a := range n.ACL {
		r.ACL = append(r.ACL, entry{formatPerms(a.Perms), a.Scheme, a.ID})
	}
	switch {
	case n.Data == nil:
	case Readable(n.Data):
		s := string(n.Data)
		r.Data = &s
	default:
		s := base64.StdEncoding.EncodeToString(n.Data)
		r.Base64 = &s
	}
	return r
}

// Readable tells whether data is text that can be shown: UTF-8 without
// control characters, but for tab and line ends.
func Readable(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, b := range data {
		if b < 0x20 && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
			return false
		}
	}
	return true
}

// formatPerms writes permissions so that nothing is lost: those that have no
// letter make it a number.
func formatPerms(p client.Perm) string {
	if p&^client.PermAll != 0 {
		return strconv.Itoa(int(p))
	}
	return p.String()
}

func (e entry) acl() (client.ACL, error) {
	a := client.ACL{Scheme: e.Scheme, ID: e.ID}
	if n, err := strconv.ParseInt(e.Perms, 10, 32); err == nil {
		a.Perms = client.Perm(n)
		return a, nil
	}
	for _, letter := range e.Perms {
		at := strings.IndexRune("rwcda", letter)
		if at < 0 {
			return a, fmt.Errorf("perms %q: unknown letter %q", e.Perms, letter)
		}
		a.Perms |= 1 << at
	}
	return a, nil
}
