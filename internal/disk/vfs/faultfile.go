package vfs

// faultFile is a file opened through a [Fault].
type faultFile struct {
	File
	fault *Fault
}

func (f *faultFile) before(op Op) error {
	return f.fault.before(op, f.Name())
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.before(OpRead); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.before(OpReadAt); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.before(OpWrite); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.before(OpWriteAt); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultFile) Size() (int64, error) {
	if err := f.before(OpSize); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.before(OpTruncate); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Sync() error {
	if err := f.before(OpSync); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) Datasync() error {
	if err := f.before(OpDatasync); err != nil {
		return err
	}
	return f.File.Datasync()
}

func (f *faultFile) Preallocate(off, length int64) error {
	if err := f.before(OpPreallocate); err != nil {
		return err
	}
	return f.File.Preallocate(off, length)
}

// Close always closes the file below, so that a stopped test leaks no
// descriptor, and then reports what the hook says.
func (f *faultFile) Close() error {
	refused := f.before(OpClose)
	if err := f.File.Close(); refused == nil {
		return err
	}
	return refused
}
