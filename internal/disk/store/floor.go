package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

const (
	floorName    = "quokka.floor"
	maxFloorFile = 1 << 20 // bytes
	floorTitle   = "quokka floor 1"
)

// A pending change of the directory, as the floor file names it.
const (
	opTruncate = "truncate"
	opInstall  = "install"
)

// floorFile is the content of quokka.floor; see the package comment.
type floorFile struct {
	floor proto.Zxid
	known []proto.Zxid // of the snapshots that make no hole above floor

	// A truncation or installation that was decided and may not be finished.
	op       string     // "" if there is none
	to       proto.Zxid // what the directory ends with afterwards
	base     proto.Zxid // truncate: of the snapshot that it is reached from
	snapshot string     // install: its name
	witness  []string   // what other software would have changed
}

// text is how the file is written: a title, then lines of a key and a value.
func (f *floorFile) text() []byte {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s %s\n", key, value) }
	b.WriteString(floorTitle + "\n")
	line("floor", hex(f.floor))
	for _, z := range f.known {
		line("known", hex(z))
	}
	switch f.op {
	case opTruncate:
		line(opTruncate, hex(f.to)+" "+hex(f.base))
	case opInstall:
		line(opInstall, hex(f.to)+" "+f.snapshot)
	}
	for _, w := range f.witness {
		line("witness", w)
	}
	return []byte(b.String())
}

func hex(z proto.Zxid) string { return strconv.FormatInt(int64(z), 16) }

func parseHex(s string) (proto.Zxid, error) {
	n, err := strconv.ParseInt(s, 16, 64)
	return proto.Zxid(n), err
}

// parseFloor reads what text has written.
func parseFloor(b []byte) (*floorFile, error) {
	text, whole := strings.CutSuffix(string(b), "\n")
	lines := strings.Split(text, "\n")
	if !whole || len(lines) < 2 || lines[0] != floorTitle {
		return nil, fmt.Errorf("it does not begin with %q or has no end", floorTitle)
	}
	f := &floorFile{}
	for i, l := range lines[1:] {
		key, value, _ := strings.Cut(l, " ")
		if err := f.set(i, key, value); err != nil {
			return nil, fmt.Errorf("line %d is %q: %w", i+2, l, err)
		}
	}
	return f, nil
}

func (f *floorFile) set(line int, key, value string) (err error) {
	if (line == 0) != (key == "floor") {
		return errors.New("the floor belongs into the second line")
	}
	first, second, _ := strings.Cut(value, " ")
	switch key {
	case "floor":
		f.floor, err = parseHex(value)
		return err
	case "known":
		z, err := parseHex(value)
		f.known = append(f.known, z)
		return err
	case "witness":
		f.witness = append(f.witness, value)
		return nil
	case opTruncate:
		f.op = key
		if f.base, err = parseHex(second); err != nil {
			return err
		}
		f.to, err = parseHex(first)
		return err
	case opInstall:
		f.op, f.snapshot = key, second
		f.to, err = parseHex(first)
		if z, _, ok := snap.ParseFileName(second); err == nil && (!ok || z != f.to) {
			err = errors.New("this is not the name of its snapshot")
		}
		return err
	}
	return errors.New("the key is not known")
}

// loadFloor reads the file into s.cont; nil if there is none. A file that
// cannot be understood is no reason to guess: it may hold half a truncation.
func (s *Store) loadFloor() error {
	s.cont = nil
	path := filepath.Join(s.snapDir, floorName)
	f, err := s.fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return loadError(err, "Unable to read %s", path)
	}
	defer func() { _ = f.Close() }() // only read: nothing to lose
	b, err := io.ReadAll(io.LimitReader(f, maxFloorFile))
	if err != nil {
		return loadError(err, "Unable to read %s", path)
	}
	if s.cont, err = parseFloor(b); err != nil {
		return loadError(err, "%s cannot be understood; if the other servers of the ensemble are well, move this server's "+
			"version-2 directories away (not myid) and let it copy the data from the leader", path)
	}
	return nil
}

// storeFloor makes f the content of the file, and the floor what it says.
func (s *Store) storeFloor(f *floorFile) error {
	path := filepath.Join(s.snapDir, floorName)
	if err := vfs.WriteFileAtomic(s.fsys, path, f.text()); err != nil {
		return dirError(err, "Unable to write %s", path)
	}
	s.cont = f
	s.floor.Store(int64(f.floor))
	return nil
}

// Floor is the zxid after which the log holds every record of the history, as
// far as this is known for sure: a learner that has the record Floor, or a later
// one, can be given the rest from the log (ZOOKEEPER-2846). It is known from
// [Store.Recover] on and may be called by any goroutine.
func (s *Store) Floor() proto.Zxid { return proto.Zxid(s.floor.Load()) }

// settleFloor finds the floor after a recovery from the snapshot base to last,
// and writes it down if this server is a member of an ensemble. s.dir is held.
func (s *Store) settleFloor(base, last proto.Zxid) error {
	if s.cont == nil && !s.opt.Ensemble {
		s.floor.Store(int64(base)) // nobody will ask
		return nil
	}
	snaps, err := s.snapshotZxids()
	if err != nil {
		return loadError(err, "Unable to load database on disk")
	}
	if s.cont != nil && s.cont.floor > last {
		s.cont = nil // an older backup was restored beside it
	}
	f := &floorFile{floor: base, known: snaps}
	if s.cont != nil {
		f.floor = s.cont.floor
	}
	if foreign, any := s.newestForeign(snaps); any {
		z, err := s.unbroken(min(foreign, base))
		if err != nil {
			return loadError(err, "Unable to load database on disk")
		}
		if s.cont == nil || z > f.floor {
			f.floor = z
		}
	}
	if base > f.floor && base.Counter() != 0 {
		has, err := s.has(base)
		if err != nil {
			return loadError(err, "Unable to load database on disk")
		}
		if !has { // a snapshot from before its records were durable
			f.floor = base
		}
	}
	if f.floor, err = s.aboveMissing(f.floor, last, snaps); err != nil {
		return loadError(err, "Unable to load database on disk")
	}
	if s.cont != nil && slices.Equal(s.cont.text(), f.text()) {
		s.floor.Store(int64(f.floor))
		return nil
	}
	return s.storeFloor(f)
}

// unbroken goes back from the snapshot z, as a log of Java allows: its
// predecessors in the same epoch are there if their numbers are, while between
// two epochs anything may be missing.
func (s *Store) unbroken(z proto.Zxid) (proto.Zxid, error) {
	first, ok, err := txnlog.RunStart(s.fsys, s.logDir, int64(z))
	if _, corrupt := errors.AsType[*txnlog.CorruptError](err); corrupt {
		return z, nil
	}
	if err != nil || !ok {
		return z, err
	}
	return proto.Zxid(first - 1), nil
}

// has tells whether the log has a record and can be read up to there.
func (s *Store) has(z proto.Zxid) (bool, error) {
	has, err := txnlog.Contains(s.fsys, s.logDir, int64(z))
	if _, corrupt := errors.AsType[*txnlog.CorruptError](err); corrupt {
		return false, nil
	}
	return has, err
}

// aboveMissing raises a floor to where the log begins: what stood before may
// have been purged by other software. If a snapshot lies between, it was not,
// because a purge takes the snapshots first.
func (s *Store) aboveMissing(floor, last proto.Zxid, snaps []proto.Zxid) (proto.Zxid, error) {
	n, ok, err := txnlog.First(s.fsys, s.logDir)
	if err != nil {
		return floor, err
	}
	first := proto.Zxid(n)
	switch {
	case !ok:
		return max(floor, last), nil
	case first <= floor+1:
		return floor, nil
	case first.Counter() > 1:
		return first - 1, nil
	}
	for _, z := range snaps { // ascending
		if z >= floor && z < first {
			return z, nil
		}
	}
	return first - 1, nil
}

// snapshotZxids lists the snapshots by name, ascending, each zxid once: two
// files of one zxid hold one state.
func (s *Store) snapshotZxids() ([]proto.Zxid, error) {
	names, err := s.fsys.List(s.snapDir)
	if err != nil {
		return nil, err
	}
	var zxids []proto.Zxid
	for _, name := range names {
		if z, _, ok := snap.ParseFileName(name); ok {
			zxids = append(zxids, z)
		}
	}
	slices.Sort(zxids)
	return slices.Compact(zxids), nil
}

// newestForeign is the newest snapshot that this software has not made or
// seen before. Java has run here meanwhile, and may have been given a snapshot:
// then its log has a hole, which lies below that snapshot.
func (s *Store) newestForeign(zxids []proto.Zxid) (proto.Zxid, bool) {
	for _, z := range slices.Backward(zxids) {
		if s.cont == nil || !slices.Contains(s.cont.known, z) {
			return z, true
		}
	}
	return 0, false
}

// raiseFloor makes the floor z at least, before logs below it are removed. s.dir
// is held.
func (s *Store) raiseFloor(z proto.Zxid) error {
	if z <= s.Floor() {
		return nil
	}
	if s.cont == nil {
		s.floor.Store(int64(z))
		return nil
	}
	return s.storeFloor(&floorFile{floor: z, known: s.cont.known})
}

// account notes down that a snapshot is our own. s.dir is held.
func (s *Store) account(z proto.Zxid) error {
	if s.cont == nil {
		return nil
	}
	snaps, err := s.snapshotZxids()
	if err != nil {
		return fmt.Errorf("note down the snapshot: %w", err)
	}
	f := &floorFile{floor: s.cont.floor}
	for _, n := range snaps {
		if n == z || slices.Contains(s.cont.known, n) {
			f.known = append(f.known, n)
		}
	}
	return s.storeFloor(f)
}
