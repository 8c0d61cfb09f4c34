package txnlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"quokka/internal/disk/vfs"
)

const (
	// DefaultPreallocSize is Java's default of zookeeper.preAllocSize.
	DefaultPreallocSize = 64 << 20

	maxBuffered = 1 << 20 // bytes; more is written without waiting for Sync
	padMargin   = 4096    // bytes before the end at which Java extends the file
)

// ErrClosed is returned by a [Writer] after Close.
var ErrClosed = errors.New("transaction log writer is closed")

// Options are the settings of a [Writer].
type Options struct {
	// PreallocSize is by how many bytes a file is extended ahead of the
	// records; zero or less means never. (zookeeper.preAllocSize, in KB there)
	PreallocSize int64
	// NoSync leaves it to the operating system when records reach the disk: a
	// power loss may then take acknowledged records. (zookeeper.forceSync=no)
	NoSync bool
	// DBID is put into the header of each file. Java always writes 0.
	DBID int64
}

// Writer appends records to the log. It never continues a file that existed
// before: the first record begins a new one, as in Java.
//
// A Writer belongs to one goroutine. After any error it is poisoned, and every
// later call returns that first error: after a failed write or sync nobody
// knows what the file holds, so the server has to stop and recover.
type Writer struct {
	fsys vfs.FS
	dir  string
	opt  Options

	file   vfs.File // nil until the first record after a roll
	buf    []byte   // records that belong at offset written
	dirty  bool     // written or buffered since the last sync
	last   int64    // zxid of the last record appended
	any    bool     // last is set
	start  bool     // the next record begins a file: it need not follow last
	size   int64    // of the file, preallocated part included
	path   string   // of the file
	err    error    // the first error
	noRoom bool     // preallocation failed for lack of space

	written int64 // end of the records in the file
}

// NewWriter returns a writer for the log in dir, which must exist. Nothing is
// created before the first record.
func NewWriter(fsys vfs.FS, dir string, opt Options) *Writer {
	return &Writer{fsys: fsys, dir: dir, opt: opt, start: true}
}

// Append adds a record, to a buffer at first. The payload is copied. It is not
// durable before [Writer.Sync] has returned.
//
// Within a file each record must follow the one before it without a gap; after
// [Writer.Roll] (a snapshot was installed) the zxid need only be higher.
func (w *Writer) Append(payload []byte) error {
	if w.err != nil {
		return w.err
	}
	return w.poison(w.append(payload))
}

func (w *Writer) append(payload []byte) error {
	zxid, err := PayloadZxid(payload)
	if err != nil {
		return fmt.Errorf("append to transaction log: %w", err)
	}
	if w.any && (zxid <= w.last || !w.start && !Follows(w.last, zxid)) {
		return fmt.Errorf("append to transaction log: zxid 0x%x after 0x%x would leave a gap or repeat a txn", zxid, w.last)
	}
	if w.file == nil {
		if err := w.create(zxid); err != nil {
			return err
		}
	}
	if w.buf, err = appendRecord(w.buf, payload); err != nil {
		return fmt.Errorf("append zxid 0x%x to transaction log: %w", zxid, err)
	}
	w.last, w.any, w.start, w.dirty = zxid, true, false, true
	if len(w.buf) > maxBuffered {
		return w.flush()
	}
	return nil
}

// create begins the file of a zxid. It appears under its name with the header
// in it, durably: Java before 3.9.3 does not start if the newest file is empty
// or begins with zeros.
func (w *Writer) create(zxid int64) error {
	path := filepath.Join(w.dir, FileName(zxid))
	if err := w.mayCreate(zxid, path); err != nil {
		return fmt.Errorf("create transaction log %s: %w", path, err)
	}
	if err := w.place(path); err != nil {
		return fmt.Errorf("create transaction log: %w", err)
	}
	f, err := w.fsys.OpenRW(path)
	if err != nil {
		return fmt.Errorf("create transaction log: %w", err)
	}
	w.file, w.path, w.noRoom = f, path, false
	w.written, w.size = headerSize, headerSize
	return nil
}

// creating is the name of a log of which only the header is being written.
// Java takes log.5.tmp for the log of zxid 5, and does not start when it is
// empty (Util.getZxidFromName, ZOOKEEPER-2332); this name it does not know.
const creating = "creating-log"

// place makes a file with only its header. What a failure leaves under the
// other name, the next attempt overwrites.
func (w *Writer) place(path string) error {
	temp := filepath.Join(w.dir, creating)
	f, err := w.fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(appendHeader(nil, w.opt.DBID))
	if err == nil && !w.opt.NoSync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := w.fsys.Rename(temp, path); err != nil || w.opt.NoSync {
		return err
	}
	return w.fsys.SyncDir(w.dir)
}

// mayCreate refuses to begin a file in front of existing ones, or in the place
// of one that holds anything.
func (w *Writer) mayCreate(zxid int64, path string) error {
	files, err := Files(w.fsys, w.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Zxid > zxid {
			return fmt.Errorf("%s is newer; truncate the log or move that file away first", f.Path)
		}
	}
	f, err := w.fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeRead(f)
	size, err := f.Size()
	if err != nil {
		return err
	}
	end, err := lastNonzero(f, headerSize, size)
	if err == nil && end >= 0 {
		err = errors.New("the file exists and holds data; it is not overwritten")
	}
	return err
}

// flush writes the buffer in one call.
func (w *Writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.pad(); err != nil {
		return err
	}
	n, err := w.file.WriteAt(w.buf, w.written)
	if err != nil {
		return fmt.Errorf("write transaction log: %w", err)
	}
	w.written += int64(n)
	w.size = max(w.size, w.written)
	if w.buf = w.buf[:0]; cap(w.buf) > 4*maxBuffered {
		w.buf = nil // one huge record must not keep its memory
	}
	return nil
}

// pad extends the file ahead of the buffer. A full disk is no error here: the
// records may still fit.
func (w *Writer) pad() error {
	if w.noRoom {
		return nil
	}
	end := w.written + int64(len(w.buf))
	size := paddedSize(w.written, w.size, w.opt.PreallocSize)
	if end > size {
		size = paddedSize(end, size, w.opt.PreallocSize)
	}
	if size <= w.size {
		return nil
	}
	err := w.file.Preallocate(w.size, size-w.size)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		w.noRoom = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("preallocate transaction log: %w", err)
	}
	w.size = size
	return nil
}

// paddedSize is the size a file of this size should have before something is
// written at end; Java's numbers (FilePadding.calculateFileSizeWithPadding).
func paddedSize(end, size, step int64) int64 {
	if step <= 0 || end+padMargin < size {
		return size
	}
	if end <= size {
		return size + step
	}
	size = end + step
	return size - size%step
}

// Sync makes all records appended so far durable. Without any since the last
// call it does nothing.
func (w *Writer) Sync() error {
	if w.err != nil {
		return w.err
	}
	return w.poison(w.sync())
}

func (w *Writer) sync() error {
	if !w.dirty {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if !w.opt.NoSync {
		if err := w.file.Datasync(); err != nil {
			return fmt.Errorf("sync transaction log: %w; the disk may have lost data, check it before a restart", err)
		}
	}
	w.dirty = false
	return nil
}

// Roll makes what was appended durable and closes the file; the next record
// begins a new one. Padding is left, as Java leaves it. Without a file open it
// only allows the next zxid to be any higher one.
func (w *Writer) Roll() error {
	if w.err != nil {
		return w.err
	}
	return w.poison(w.roll())
}

func (w *Writer) roll() error {
	w.start = true
	if w.file == nil {
		return nil
	}
	if err := w.sync(); err != nil {
		return err
	}
	f := w.file
	w.file, w.path, w.size, w.written = nil, "", 0, 0
	if err := f.Close(); err != nil {
		return fmt.Errorf("close transaction log: %w", err)
	}
	return nil
}

// Close makes what was appended durable and ends the writer. A poisoned writer
// only gives its file back, and returns the first error again.
func (w *Writer) Close() error {
	if w.err != nil {
		if w.file != nil {
			_ = w.file.Close() // the first error is the one to tell
			w.file = nil
		}
		return w.err
	}
	if err := w.poison(w.roll()); err != nil {
		return w.Close()
	}
	w.err = ErrClosed
	return nil
}

func (w *Writer) poison(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w; the disk is full: free some space, then restart", err)
	}
	if w.err == nil {
		w.err = err
	}
	return err
}

// Size is the size of the current file in bytes with its padding and with what
// is still buffered, 0 if there is none. Java compares this with
// zookeeper.txnLogSizeLimitInKb.
func (w *Writer) Size() int64 {
	return max(w.size, w.BytesSinceRoll())
}

// BytesSinceRoll is how many bytes the header and the records of the current
// file take, padding not included, 0 if there is no file.
func (w *Writer) BytesSinceRoll() int64 {
	if w.file == nil {
		return 0
	}
	return w.written + int64(len(w.buf))
}

// CurrentFile is the path of the current file, "" if there is none.
func (w *Writer) CurrentFile() string {
	return w.path
}
