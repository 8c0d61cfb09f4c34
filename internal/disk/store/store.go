package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"quokka/internal/core/tree"
	"quokka/internal/disk/snap"
	"quokka/internal/disk/txnlog"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

const (
	versionDir = "version-2" // FileTxnSnapLog.version + VERSION
	version    = 2
	lockName   = "quokka.lock"
)

// Options are the settings of a [Store], with Java's names for them.
type Options struct {
	DataDir string // dataDir
	LogDir  string // dataLogDir; "" is DataDir

	NoAutoCreateDir bool // zookeeper.datadir.autocreate=false: missing directories are an error
	NoAutoCreateDB  bool // zookeeper.db.autocreate=false: an empty database needs the file initialize
	TrustEmpty      bool // zookeeper.snapshot.trust.empty: logs without any snapshot are replayed

	Method        snap.Method // zookeeper.snapshot.compression.method
	Digest        bool        // zookeeper.digest.enabled
	LastProcessed bool        // zookeeper.serializeLastProcessedZxid.enabled
	MaxRecord     int         // bytes of one znode in a snapshot; 0 is snap.DefaultMaxRecord

	// Ensemble says that the server is a member of an ensemble: the floor of
	// its log is kept in a file, and no snapshot below it is trusted.
	Ensemble bool
	// KeepEntries is how many of the newest records [Store.Recover] returns
	// (zookeeper.commitLogCount); 0 is DefaultKeepEntries.
	KeepEntries int

	Log  txnlog.Options
	Tree tree.Options
}

// DefaultKeepEntries is Java's default and minimum of commitLogCount
// (ZKDatabase).
const DefaultKeepEntries = 500

// Store is an open data directory. It is locked until [Store.Close].
//
// [Store.Recover], [Store.Truncate] and [Store.Install] must not run beside a
// writer of the log. Everything else may be called by any goroutine.
type Store struct {
	fsys    vfs.FS
	opt     Options
	snapDir string // dataDir/version-2
	logDir  string // dataLogDir/version-2
	locks   []io.Closer
	saving  sync.Mutex   // held while a snapshot is written; taken before dir
	fence   fence        // which pictures are wrong by now
	dir     sync.Mutex   // held while files are removed or the floor file is written
	cont    *floorFile   // the floor file as it is on disk, nil if there is none; guarded by dir
	floor   atomic.Int64 // see Floor
	past    *proto.Zxid  // Peek: the state as of then is wanted; nil is the newest
}

// Open makes the directories if need be, checks that they can be written and
// hold what they should, and locks them. Its error is an [*Error].
func Open(fsys vfs.FS, o Options) (*Store, error) {
	if o.LogDir == "" {
		o.LogDir = o.DataDir
	}
	o.DataDir, o.LogDir = filepath.Clean(o.DataDir), filepath.Clean(o.LogDir)
	s := &Store{
		fsys: fsys, opt: o,
		snapDir: filepath.Join(o.DataDir, versionDir), logDir: filepath.Join(o.LogDir, versionDir),
	}
	if err := s.open(); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

func (s *Store) open() error {
	if err := s.prepareDir("data", s.opt.LogDir, s.logDir); err != nil {
		return err
	}
	if s.snapDir != s.logDir {
		if err := s.prepareDir("snap", s.opt.DataDir, s.snapDir); err != nil {
			return err
		}
		if err := s.checkSeparation(); err != nil {
			return err
		}
	}
	if _, err := snap.RemoveUnfinished(s.fsys, s.snapDir); err != nil {
		return dirError(err, "Cannot write to snap directory %s", s.snapDir)
	}
	return nil
}

// prepareDir makes, checks and locks one directory; what is Java's word for it.
func (s *Store) prepareDir(what, parent, dir string) error {
	st, err := s.fsys.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.opt.NoAutoCreateDir:
		return dirError(nil, "Missing %s directory %s, automatic data directory creation is disabled "+
			"(zookeeper.datadir.autocreate is false). Please create this directory manually.", what, dir)
	case errors.Is(err, fs.ErrNotExist):
		if err := s.fsys.MkdirAll(dir); err != nil {
			return dirError(err, "Unable to create %s directory %s", what, dir)
		}
	case err != nil:
		return dirError(err, "Unable to access %s directory %s", what, dir)
	case !st.IsDir:
		return dirError(nil, "Unable to access %s directory %s: it is a file", what, dir)
	}
	if err := s.refuseNewer(parent); err != nil {
		return err
	}
	lock, err := s.fsys.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		key := "dataDir"
		if what == "data" && s.snapDir != s.logDir {
			key = "dataLogDir"
		}
		return dirError(nil, "Directory %s is in use by another server process; "+
			"stop that one, or give this one a %s of its own", dir, key)
	}
	if err != nil {
		return dirError(err, "Cannot write to %s directory %s", what, dir)
	}
	s.locks = append(s.locks, lock)
	return nil
}

// refuseNewer refuses a directory that software with a later format has used.
func (s *Store) refuseNewer(parent string) error {
	names, err := s.fsys.List(parent)
	if err != nil {
		return dirError(err, "Unable to access %s", parent)
	}
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "version-")
		if n, err := strconv.Atoi(digits); ok && err == nil && n > version {
			return dirError(nil, "%s is in a format that this version does not know; "+
				"use the software that wrote it, or move it away if it is not needed", filepath.Join(parent, name))
		}
	}
	return nil
}

// checkSeparation finds configurations that swap the directories or had one
// where now are two (ZOOKEEPER-2967).
func (s *Store) checkSeparation() error {
	const hint = " Check if dataLogDir and dataDir configuration is correct."
	if err := s.refusePrefix(s.logDir, "snapshot.", "Log directory has snapshot files."+hint); err != nil {
		return err
	}
	return s.refusePrefix(s.snapDir, "log.", "Snapshot directory has log files."+hint)
}

func (s *Store) refusePrefix(dir, prefix, reason string) error {
	names, err := s.fsys.List(dir)
	if err != nil {
		return dirError(err, "Unable to access %s", dir)
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			return dirError(nil, "%s (%s)", reason, filepath.Join(dir, name))
		}
	}
	return nil
}

// Close gives the locks back.
func (s *Store) Close() error {
	var all error
	for _, l := range s.locks {
		if err := l.Close(); err != nil {
			all = errors.Join(all, fmt.Errorf("unlock data directory: %w", err))
		}
	}
	s.locks = nil
	return all
}

// SnapDir is dataDir/version-2.
func (s *Store) SnapDir() string { return s.snapDir }

// LogDir is dataLogDir/version-2.
func (s *Store) LogDir() string { return s.logDir }

// TxnLog returns a writer for the log, to be used after [Store.Recover].
func (s *Store) TxnLog() *txnlog.Writer { return txnlog.NewWriter(s.fsys, s.logDir, s.opt.Log) }

// ErrSaving is returned by [Store.SaveSnapshot] while another snapshot is
// being written (Java: "Too busy to snap, skipping").
var ErrSaving = errors.New("a snapshot is being written already")

// SaveSnapshot writes a snapshot durably, with the compression and sections
// that the options ask for; p's own flags are ignored. progress may be nil.
// After an error the older snapshots are unharmed, and a server may go on: the
// log still has everything.
func (s *Store) SaveSnapshot(p snap.Picture, progress func(bytes int64)) (snap.Info, error) {
	if !s.saving.TryLock() {
		return snap.Info{}, ErrSaving
	}
	defer s.saving.Unlock()
	fsys := fencedFS{FS: s.fsys, superseded: func() bool { return s.fence.superseded(p.Fence, p.Zxid) }}
	if fsys.superseded() {
		return snap.Info{}, ErrSuperseded
	}
	info, err := s.save(fsys, p, progress)
	if errors.Is(err, ErrSuperseded) {
		return snap.Info{}, ErrSuperseded
	}
	if err != nil {
		return info, err
	}
	s.dir.Lock()
	defer s.dir.Unlock()
	return info, s.account(info.Zxid)
}

func (s *Store) save(fsys vfs.FS, p snap.Picture, progress func(bytes int64)) (snap.Info, error) {
	p.Digest, p.LastProcessed = s.opt.Digest, s.opt.LastProcessed
	info, err := snap.Save(fsys, s.snapDir, p, s.opt.Method, progress)
	if err != nil {
		return info, &Error{Reason: "no snapshot was taken", Exit: ExitSnapshot, Err: err}
	}
	return info, nil
}

// Snapshots lists the snapshots, newest first.
func (s *Store) Snapshots() ([]snap.Info, error) { return snap.List(s.fsys, s.snapDir) }

// Sizes are the bytes of all files in the two directories, as the four-letter
// word dirs tells them. With one directory for both, both are its size.
func (s *Store) Sizes() (snapBytes, logBytes int64, err error) {
	if snapBytes, err = s.dirSize(s.snapDir); err != nil {
		return 0, 0, err
	}
	if s.logDir == s.snapDir {
		return snapBytes, snapBytes, nil
	}
	logBytes, err = s.dirSize(s.logDir)
	return snapBytes, logBytes, err
}

func (s *Store) dirSize(dir string) (int64, error) {
	names, err := s.fsys.List(dir)
	if err != nil {
		return 0, fmt.Errorf("size of data directory: %w", err)
	}
	var sum int64
	for _, name := range names {
		st, err := s.fsys.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // purged or renamed meanwhile
		}
		if err != nil {
			return 0, fmt.Errorf("size of data directory: %w", err)
		}
		if !st.IsDir {
			sum += st.Size
		}
	}
	return sum, nil
}
