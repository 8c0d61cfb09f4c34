package interop

import (
	"bytes"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A reader of log and snapshot files of its own, small and strict, independent of Java's and of Quokka's.

// logRecord is one transaction of a log file; what follows the header is not decoded.
type logRecord struct {
	session int64
	zxid    int64
	kind    int32
}

// dataFiles lists the files of a data directory whose name begins with prefix, by zxid.
func dataFiles(dataDir, prefix string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(dataDir, "version-2", prefix+"*"))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b string) int { return int(fileZxid(a) - fileZxid(b)) })
	return list, nil
}

func fileZxid(path string) int64 {
	_, text, _ := strings.Cut(filepath.Base(path), ".")
	zxid, err := strconv.ParseInt(text, 16, 64)
	if err != nil {
		return -1
	}
	return zxid
}

// readLog reads a log file up to its end: a length of zero, or a record cut short as a crash leaves it.
func readLog(path string) ([]logRecord, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: b}
	if magic, version := u.take(4), u.i32(); string(magic) != "ZKLG" || version != 2 {
		return nil, fmt.Errorf("%s: magic %q version %d", path, magic, version)
	}
	u.i64()
	var list []logRecord
	for {
		crc, length := u.i64(), u.i32()
		payload := u.take(int(length))
		mark := u.take(1)
		if u.err != nil || length == 0 || mark[0] != 'B' {
			return list, nil
		}
		if sum := int64(adler32.Checksum(payload)); sum != crc {
			return list, fmt.Errorf("%s: record %d: checksum %#x, not %#x", path, len(list), sum, crc)
		}
		p := &unpacker{b: payload}
		r := logRecord{session: p.i64()}
		p.i32()
		r.zxid = p.i64()
		p.i64()
		r.kind = p.i32()
		if p.err != nil {
			return list, fmt.Errorf("%s: record %d: %w", path, len(list), p.err)
		}
		list = append(list, r)
	}
}

// checkLogs reads all logs and insists that zxids go up by one over all files. It returns the number of records and
// the last zxid.
func checkLogs(dataDir string) (int, int64, error) {
	files, err := dataFiles(dataDir, "log.")
	if err != nil {
		return 0, 0, err
	}
	count, last := 0, int64(0)
	for _, path := range files {
		records, err := readLog(path)
		if err != nil {
			return count, last, err
		}
		if len(records) > 0 && records[0].zxid != fileZxid(path) {
			return count, last, fmt.Errorf("%s begins with zxid %#x", path, records[0].zxid)
		}
		for _, r := range records {
			if last != 0 && r.zxid != last+1 {
				return count, last, fmt.Errorf("%s: zxid %#x follows %#x", path, r.zxid, last)
			}
			last = r.zxid
			count++
		}
	}
	return count, last, nil
}

// snapshotNodes lists the paths of a snapshot file (uncompressed), after checking its first seal.
func snapshotNodes(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	u := &unpacker{b: b}
	if magic, version := u.take(4), u.i32(); !bytes.Equal(magic, []byte("ZKSN")) || version != 2 {
		return nil, fmt.Errorf("%s: magic %q version %d", path, magic, version)
	}
	u.i64()
	for range max(0, u.count()) {
		u.i64()
		u.i32()
	}
	for range max(0, u.count()) {
		u.i64()
		u.acls()
	}
	var list []string
	for {
		name := u.str()
		if u.err != nil {
			return nil, fmt.Errorf("%s: after %d nodes: %w", path, len(list), u.err)
		}
		if name == "/" {
			break
		}
		u.buf()
		u.i64()
		u.take(60)
		list = append(list, name)
	}
	sealed := b[:len(b)-len(u.b)]
	if sum := int64(adler32.Checksum(sealed)); sum != u.i64() || u.err != nil {
		return nil, fmt.Errorf("%s: seal does not match Adler-32 %#x", path, sum)
	}
	return list, nil
}
