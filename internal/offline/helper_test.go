package offline

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/adler32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// javaDir is a version-2 directory that Java wrote (internal/disk/store/testdata/README).
const javaDir = "/data/version-2"

func javaDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	f, err := os.Open("../disk/store/testdata/java-3.8.0.tar.gz")
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	disk := vfs.NewMem()
	must(t, disk.MkdirAll(javaDir))
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return disk
		}
		must(t, err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		must(t, err)
		put(t, disk, filepath.Join("/data", h.Name), b)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, fsys vfs.FS, path string, b []byte) {
	t.Helper()
	must(t, vfs.WriteFileAtomic(fsys, path, b))
}

func get(t testing.TB, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	must(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(t, err)
	return b
}

// readOnly fails the test if anything is changed or locked.
func readOnly(t testing.TB, disk vfs.FS) vfs.FS {
	return vfs.NewFault(disk, func(op vfs.Op, path string) error {
		switch op {
		case vfs.OpOpen, vfs.OpStat, vfs.OpList, vfs.OpRead, vfs.OpReadAt, vfs.OpSize, vfs.OpClose, vfs.OpFreeBytes:
			return nil
		}
		t.Errorf("%s %s", op, path)
		return nil
	})
}

// used is a log without its padding.
func used(t testing.TB, disk vfs.FS, path string) []byte {
	t.Helper()
	l, err := txnlog.OpenLone(disk, path)
	must(t, err)
	defer l.Close()
	for {
		_, ok, err := l.Next()
		must(t, err)
		if !ok {
			return get(t, disk, path)[:l.Offset()]
		}
	}
}

// printed prints logs and returns what came out where.
func printed(t testing.TB, fsys vfs.FS, o PrintOptions, args ...string) (out, notes string, err error) {
	t.Helper()
	files, err := LogFiles(fsys, args)
	if err != nil {
		return "", "", err
	}
	var o1, o2 bytes.Buffer
	err = PrintLogs(fsys, files, o, &o1, &o2)
	return o1.String(), o2.String(), err
}

// logHeader is the header of a log file.
const logHeader = "ZKLG\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"

// frame is a payload as a log has it.
func frame(payload []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(adler32.Checksum(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), 'B')
}

// aLog makes a log of transactions with zxids from first on, each a second after the one before.
func aLog(first proto.Zxid, txns ...*proto.Txn) []byte {
	b := []byte(logHeader)
	for i, t := range txns {
		t.Zxid = first + proto.Zxid(i)
		t.Time = proto.Millis(1_700_000_000_000 + 1000*int64(t.Zxid))
		b = append(b, frame(t.AppendTo(nil))...)
	}
	return b
}

func txn(op proto.Op, body proto.TxnBody) *proto.Txn {
	return &proto.Txn{TxnHeader: proto.TxnHeader{Session: 0x10, Cxid: -5, Op: op}, Body: body}
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}
