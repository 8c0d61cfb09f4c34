package snap

import (
	"path/filepath"

	"quokka/internal/disk/vfs"
)

// syncEvery is how many bytes of a snapshot wait for the disk at most. A sync
// of gigabytes at the end would hold up the syncs of the transaction log.
const syncEvery = 4 << 20

// Save writes a snapshot into dir, durably: when it returns nil the snapshot
// survives a power loss, and replaces one of the same name. After an error
// there is no new snapshot and the older ones are as they were, except that
// after a failed sync of the directory the new one, which is whole, may be seen.
//
// progress, which may be nil, is told the number of bytes written so far,
// before compression. A full disk is an error for which errors.Is(err,
// syscall.ENOSPC) holds.
func Save(fsys vfs.FS, dir string, p Picture, m Method, progress func(int64)) (Info, error) {
	path := filepath.Join(dir, FileName(p.Zxid, m))
	temp := filepath.Join(dir, tempPrefix+FileName(p.Zxid, m))
	size, err := saveTemp(fsys, temp, p, m, progress)
	if err == nil {
		err = fsys.Rename(temp, path)
	}
	if err != nil {
		_ = fsys.Remove(temp) // best effort: the first error is the one to tell
		return Info{}, saveError(path, err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return Info{}, saveError(path, err)
	}
	info := Info{
		Path: path, Zxid: p.Zxid, Method: m, Size: size, Valid: true,
		HasDigestSection: p.Digest, HasDigest: p.Digest && p.Zxid > 0,
		HasLastProcessed: p.LastProcessed, Nodes: p.View.Len(), Sessions: len(p.Sessions),
	}
	if info.HasDigest {
		info.DigestZxid, info.Digest = p.Zxid, p.View.Digest()
	}
	if p.LastProcessed {
		info.LastProcessed = p.Zxid
	}
	if st, err := fsys.Stat(path); err == nil {
		info.ModTime = st.ModTime
	}
	return info, nil
}

// WriteFile writes a snapshot into a file of any name and syncs the file, but
// not its name; for a caller that gives it its real name later, in a way of its
// own. After an error there is no such file.
func WriteFile(fsys vfs.FS, path string, p Picture, m Method) error {
	if _, err := saveTemp(fsys, path, p, m, nil); err != nil {
		_ = fsys.Remove(path) // best effort: the first error is the one to tell
		return saveError(path, err)
	}
	return nil
}

// saveTemp writes and syncs the file and returns its size.
func saveTemp(fsys vfs.FS, temp string, p Picture, m Method, progress func(int64)) (int64, error) {
	f, err := fsys.Create(temp)
	if err != nil {
		return 0, err
	}
	w := &syncingWriter{f: f}
	err = compressTo(w, p, m, progress)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return w.written, err
}

func compressTo(w *syncingWriter, p Picture, m Method, progress func(int64)) error {
	c, err := m.compressor(w)
	if err != nil {
		return err
	}
	if err := write(c, p, progress); err != nil {
		return err
	}
	return c.Close()
}

// syncingWriter syncs the file every now and then.
type syncingWriter struct {
	f       vfs.File
	written int64
	dirty   int64 // bytes since the last sync
}

func (w *syncingWriter) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	w.written += int64(n)
	w.dirty += int64(n)
	if err == nil && w.dirty >= syncEvery {
		w.dirty = 0
		err = w.f.Datasync()
	}
	return n, err
}
