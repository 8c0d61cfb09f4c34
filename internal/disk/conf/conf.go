// Package conf keeps the files of a dynamic configuration: beside zoo.cfg a
// file zoo.cfg.dynamic.VERSION with the servers of the active configuration,
// and zoo.cfg.dynamic.next with one that is proposed. Java ZooKeeper starts
// on what it leaves, and it goes on with what Java left.
//
// It owns these files and the lines of zoo.cfg that belong to them. It must
// never lose another line, a comment or a spelling of the operator's file,
// and never decide which configuration is active: it is told.
//
// Crash argument. Each file is replaced whole ([vfs.WriteFileAtomic]). A new
// active configuration is written under a name of its own first, then a
// zoo.cfg that still has its server lines is copied to zoo.cfg.bak, and only
// then zoo.cfg is replaced: before that rename the old configuration is in
// force, whole, and after it the new one. Only then is the proposed one
// removed. A proposed configuration found beside an active one that is as
// new says nothing, and is removed with the next order. What a process finds
// at its start need not be durable, though the one before may have acted on
// it: [New] sees to that before anybody relies on it again.
//
// Source of the facts: QuorumPeerConfig.writeDynamicConfig, editStaticConfig
// and backupOldConfig, QuorumPeer.setLastSeenQuorumVerifier and
// setQuorumVerifier.
package conf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"quokka/internal/core/quorum"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// Options say where the files are and whether they are kept.
type Options struct {
	ConfigFile   string         // the zoo.cfg that was read; empty: nothing is kept
	Enabled      bool           // reconfigEnabled; false: nothing is kept
	Self         proto.ServerID // whose client port zoo.cfg need not name when the servers do
	Version      uint64         // of the configuration that was loaded
	DynamicFile  string         // that it was read from; empty: zoo.cfg has it
	MultiAddress bool           // multiAddress.enabled
}

// Files are the files of one server. A nil *Files keeps nothing. The methods
// are for one goroutine; when they return an error, the configuration is not
// on disk.
type Files struct {
	fsys   vfs.FS
	opts   Options
	path   string // of zoo.cfg, absolute
	active uint64 // version of the last activated configuration
}

// New returns the files that belong to a zoo.cfg, or nil if there are none to
// keep. What was read from them is durable when it returns: a process that was
// killed before it could sync them left them to a loss of power, after which
// the server would start with a configuration that is over.
func New(fsys vfs.FS, o Options) (*Files, error) {
	if o.ConfigFile == "" || !o.Enabled {
		return nil, nil
	}
	path, err := filepath.Abs(o.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("conf: the directory of %s: %w", o.ConfigFile, err)
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == utf8.RuneError || r > 0xffff }) {
		return nil, fmt.Errorf("conf: the path %q cannot be written in a properties file: move the file, or set reconfigEnabled=false", path)
	}
	f := &Files{fsys: fsys, opts: o, path: path, active: o.Version}
	return f, f.settle()
}

// settle makes what was read durable: the content of the files first, then
// their names.
func (f *Files) settle() error {
	next, _ := f.names(0)
	dirs := []string{filepath.Dir(f.path)}
	files := []string{f.path, next}
	if f.opts.DynamicFile != "" {
		files = append(files, f.opts.DynamicFile)
		if dir := filepath.Dir(f.opts.DynamicFile); dir != dirs[0] {
			dirs = append(dirs, dir)
		}
	}
	for _, name := range files {
		if err := f.sync(name); err != nil && (name != next || !errors.Is(err, fs.ErrNotExist)) {
			return f.explain("sync", name, err)
		}
	}
	for _, dir := range dirs {
		if err := f.fsys.SyncDir(dir); err != nil {
			return f.explain("sync", dir, err)
		}
	}
	return nil
}

func (f *Files) sync(name string) error {
	file, err := f.fsys.Open(name)
	if err != nil {
		return err
	}
	err = file.Sync()
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// names returns the paths of the proposed configuration and of the active
// one of a version.
func (f *Files) names(version uint64) (next, dynamic string) {
	return f.path + ".dynamic.next", f.path + ".dynamic." + strconv.FormatUint(version, 16)
}

// Next makes the proposed configuration durable. The text is that of
// [quorum.Membership.Text]. One that is not newer than the active
// configuration takes a proposed one back.
func (f *Files) Next(text string) error {
	if f == nil {
		return nil
	}
	m, err := f.parse(text)
	if err != nil {
		return err
	}
	next, _ := f.names(0)
	if m.Version <= f.active {
		return f.remove(next)
	}
	return f.write(next, dynamicText(m, true))
}

// Activate makes the configuration durable as the one to start with. As in
// Java, one that is not newer than the active one changes nothing, but for
// removing a proposed one that is not newer either.
func (f *Files) Activate(text string) error {
	if f == nil {
		return nil
	}
	m, err := f.parse(text)
	if err != nil {
		return err
	}
	next, dynamic := f.names(m.Version)
	if m.Version > f.active {
		if err := f.write(dynamic, dynamicText(m, false)); err != nil {
			return err
		}
		if err := f.point(m, dynamic); err != nil {
			return err
		}
		f.active = m.Version
	}
	return f.removeOld(next)
}

func (f *Files) parse(text string) (quorum.Membership, error) {
	m, err := quorum.ParseMembership(text, f.opts.MultiAddress)
	if err != nil {
		return m, fmt.Errorf("conf: %w", err)
	}
	return m, nil
}

// point rewrites zoo.cfg so that it names the file of the active
// configuration. One that had the servers in itself is copied first.
func (f *Files) point(m quorum.Membership, dynamic string) error {
	old, err := f.read(f.path)
	if err != nil {
		return f.explain("read", f.path, err)
	}
	self, _ := m.Server(f.opts.Self)
	text, pointed, err := rewrite(old, dynamic, self)
	if err != nil {
		return f.explain("rewrite", f.path, err)
	}
	if !pointed {
		if err := f.write(f.path+".bak", old); err != nil {
			return err
		}
	}
	return f.write(f.path, text)
}

// removeOld removes the proposed configuration unless it is newer than the
// active one.
func (f *Files) removeOld(next string) error {
	text, err := f.read(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return f.explain("read", next, err)
	}
	if m, err := quorum.ParseMembership(text, f.opts.MultiAddress); err == nil && m.Version > f.active {
		return nil
	}
	return f.remove(next)
}

func (f *Files) remove(name string) error {
	err := f.fsys.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = f.fsys.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		return f.explain("remove", name, err)
	}
	return nil
}

func (f *Files) write(name, text string) error {
	if err := vfs.WriteFileAtomic(f.fsys, name, []byte(text)); err != nil {
		return f.explain("keep", name, err)
	}
	return nil
}

func (f *Files) explain(op, name string, err error) error {
	return fmt.Errorf("conf: %s %s: %w; let this server write in %s, or set reconfigEnabled=false", op, name, err, filepath.Dir(name))
}

func (f *Files) read(name string) (string, error) {
	file, err := f.fsys.Open(name)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(file)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return string(text), err
}

// dynamicText is what a dynamic file holds: the lines of a configuration,
// sorted, without a line feed at the end. The version stands in the name of
// the file of an active configuration, and in the file of a proposed one.
func dynamicText(m quorum.Membership, withVersion bool) string {
	var lines []string
	for _, l := range m.Lines() {
		lines = append(lines, l.Key+"="+escape(l.Value))
	}
	if withVersion {
		lines = append(lines, "version="+strconv.FormatUint(m.Version, 16))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
