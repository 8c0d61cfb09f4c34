package subtree

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"quokka/client"
	"quokka/internal/proto"
)

// An Export is what [WriteExport] has written, known to be whole.
type Export struct {
	Header ExportHeader
	Count  int64 // nodes

	in     io.ReadSeeker
	edited bool
}

// ErrChecksum says that an export is not as it was written.
var ErrChecksum = errors.New("the checksum does not match")

// maxLine bounds a line in bytes. It leaves room for the largest data that
// any jute.maxbuffer in use allows.
const maxLine = 512 << 20

// OpenExport reads an export to its end, which may be compressed by gzip, and
// refuses one that is cut off, damaged, or out of order. in must stay open
// while the Export is used. edited takes one that somebody has changed on
// purpose: count and checksum need not match, the footer must still be there.
func OpenExport(in io.ReadSeeker, edited bool) (*Export, error) {
	e := &Export{in: in, edited: edited}
	last := ""
	var above trail[struct{}]
	err := e.read(func(n Node) error {
		e.Count++
		if why := proto.ValidatePath(n.Path); why != "" {
			return fmt.Errorf("path %q: %s", n.Path, why)
		}
		if last != "" && Compare(last, n.Path) >= 0 {
			return fmt.Errorf("path %s does not follow %s in order", n.Path, last)
		}
		last = n.Path
		_ = above.leave(n.Path, func(string, struct{}) error { return nil })
		if n.Path != "/" && (len(above.paths) == 0 || above.paths[len(above.paths)-1] != parentOf(n.Path)) {
			return fmt.Errorf("path %s has no line for its parent", n.Path)
		}
		above.enter(n.Path, struct{}{})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("not a whole export: %w", err)
	}
	return e, nil
}

// Nodes yields the nodes, in the order of a walk. It can be called again.
func (e *Export) Nodes() iter.Seq2[Node, error] {
	return func(yield func(Node, error) bool) {
		again := &Export{in: e.in, edited: e.edited}
		err := again.read(func(n Node) error {
			if !yield(n, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Node{}, fmt.Errorf("the export was changed while it was read: %w", err))
		}
	}
}

var errStop = errors.New("the reader has seen enough")

// read goes through the whole file.
func (e *Export) read(node func(Node) error) error {
	lines, err := e.lines()
	if err != nil {
		return err
	}
	sum := sha256.New()
	first, err := readLine(lines)
	if err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	if err := e.header(first); err != nil {
		return err
	}
	sum.Write(first)
	var count int64
	for number := 2; ; number++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("it ends after line %d without a footer: it was cut off", number-1)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if bytes.HasPrefix(line, []byte(`{"end":`)) {
			return e.footer(line, lines, count, sum.Sum(nil))
		}
		sum.Write(line)
		n, err := parseRecord(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		count++
		if err := node(n); err != nil {
			if errors.Is(err, errStop) {
				return err
			}
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

// lines begins anew, and looks through the compression if there is one.
func (e *Export) lines() (*bufio.Reader, error) {
	if _, err := e.in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	raw := bufio.NewReaderSize(e.in, 64<<10)
	if magic, _ := raw.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(raw)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(z, 64<<10), nil
}

// readLine returns a line with its end. io.EOF is the end of the file.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, io.EOF // what there is of the line is not one
		default:
			return nil, err
		}
	}
}

func (e *Export) header(line []byte) error {
	if err := json.Unmarshal(line, &e.Header); err != nil || e.Header.Format != exportFormat {
		return fmt.Errorf("the first line is not the header of a %s file", exportFormat)
	}
	if e.Header.Version != exportVersion {
		return fmt.Errorf("it is of version %d, known is %d: use a newer program", e.Header.Version, exportVersion)
	}
	if why := proto.ValidatePath(e.Header.Root); why != "" {
		return fmt.Errorf("its root %q: %s", e.Header.Root, why)
	}
	return nil
}

func (e *Export) footer(line []byte, rest *bufio.Reader, count int64, sum []byte) error {
	var f footer
	if err := json.Unmarshal(line, &f); err != nil || !f.End {
		return errors.New("the footer cannot be read")
	}
	if f.Nodes != count && !e.edited {
		return fmt.Errorf("it has %d nodes, and the footer says %d: %w", count, f.Nodes, ErrChecksum)
	}
	if f.SHA256 != hex.EncodeToString(sum) && !e.edited {
		return ErrChecksum
	}
	// Reading on to the end lets gzip check its own sum.
	if n, err := io.Copy(io.Discard, rest); err != nil {
		return err
	} else if n > 0 {
		return fmt.Errorf("%d bytes follow the footer", n)
	}
	return nil
}

func parseRecord(line []byte) (Node, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return Node{}, fmt.Errorf("not the line of a node: %w", err)
	}
	n := Node{Path: r.Path, Counter: -1}
	n.Stat.Version, n.Stat.Mtime = r.Version, time.UnixMilli(r.Mtime)
	if r.Counter != nil {
		n.Counter = *r.Counter
	}
	var err error
	if n.Kind, err = ParseKind(r.Kind); err != nil {
		return n, err
	}
	if n.Kind == TTL {
		if n.TTL = time.Duration(r.TTL) * time.Millisecond; r.TTL <= 0 {
			return n, errors.New("a ttl node without ttlMS")
		}
	}
	if r.Owner != "" {
		owner, err := strconv.ParseUint(r.Owner, 0, 64)
		if err != nil {
			return n, fmt.Errorf("owner %q: want a hexadecimal number", r.Owner)
		}
		n.Stat.EphemeralOwner = client.SessionID(owner)
	}
	for _, e := range r.ACL {
		a, err := e.acl()
		if err != nil {
			return n, err
		}
		n.ACL = append(n.ACL, a)
	}
	n.Data, err = r.bytes()
	n.Stat.DataLength = int32(len(n.Data))
	return n, err
}

// bytes returns the data of a line, nil if it has none.
func (r *record) bytes() ([]byte, error) {
	switch {
	case r.Base64 != nil && r.Data != nil:
		return nil, errors.New("both data and dataBase64")
	case r.Data != nil:
		return []byte(*r.Data), nil
	case r.Base64 != nil:
		data, err := base64.StdEncoding.DecodeString(*r.Base64)
		if err != nil {
			return nil, fmt.Errorf("dataBase64: %w", err)
		}
		return data, nil
	}
	return nil, nil
}
