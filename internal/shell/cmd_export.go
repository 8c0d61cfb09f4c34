package shell

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"quokka/client"
	"quokka/internal/subtree"
)

var exportCommand = &Command{
	Name: "export", Group: GroupTrees, Usage: "[-f] [--kinds file] path file", Summary: "Write a subtree to a file.",
	Details: `The file has one line of JSON for each node, with data (text, or base64 if it is none), ACL, counter of sequential nodes, version
and time, between a header and a footer with a checksum; import and diff refuse it when it was cut off. A name that ends in .gz
is compressed; - is standard output. It may hold secrets, so only its owner may read it. Nodes are read one after the other
while others may change them; for one moment of the whole tree take a snapshot. Servers do not tell containers and TTL
nodes from persistent ones; --kinds names a file that does.`,
	Examples: []string{"export /app app.jsonl.gz", "export / -  # to standard output, for a pipe"},
	Flags:    []Flag{{Name: "f", Doc: "replace a file that exists"}, kindsFlag},
	Args:     []Arg{ArgPath, ArgFile}, Min: 2, Max: 2, Foreign: true,
	Run: runExport,
}

func runExport(c *Call) error {
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	root, name := c.Path(0), c.Args[1]
	if _, err := os.Lstat(name); name != "-" && err == nil && !c.Has("f") {
		return fmt.Errorf("%s exists: -f replaces it", name)
	}
	if _, ok, err := c.Client.Exists(c.Context, root); err != nil || !ok {
		return errors.Join(err, noNodeUnless(ok || err != nil, "export", root))
	}
	if err := c.persist(); err != nil {
		return err
	}
	r, err := c.export(root, name, kinds)
	var partial *subtree.PartialError
	if err != nil && !errors.As(err, &partial) {
		return err
	}
	if name == "-" { // the report must not mix with the export
		return err
	}
	return c.exported(r, root, name, partial)
}

// export writes a subtree to a file or to standard output.
func (c *Call) export(root, name string, kinds *subtree.KindTable) (r subtree.Report, err error) {
	b := c.newBar(c.count(subtree.Side{Client: c.Client, Root: root}))
	defer b.wipe()
	header := subtree.ExportHeader{Root: root, Source: c.shell.opts.Servers, Created: time.Now().UTC().Truncate(time.Second)}
	nodes := subtree.Walk(c.Context, c.Client, root, subtree.WalkOptions{Data: true, ACL: true, Kinds: kinds.Of(c.Client, root)})
	write := func(w io.Writer) error {
		r, err = subtree.WriteExport(w, header, nodes, b.show)
		return err
	}
	if name == "-" {
		err = buffered(c.Out, write)
	} else {
		err = writeFile(name, write)
	}
	return r, err
}

func noNodeUnless(ok bool, op, path string) error {
	if ok {
		return nil
	}
	return &client.Error{Op: op, Path: path, Code: client.ErrNoNode}
}

// exported tells what was written.
func (c *Call) exported(r subtree.Report, root, name string, partial *subtree.PartialError) error {
	out := struct {
		Path   string `json:"path"`
		File   string `json:"file"`
		Nodes  int64  `json:"nodes"`
		Bytes  int64  `json:"bytes"`
		Failed int64  `json:"failed"`
	}{root, name, r.Seen - r.Failed, r.Bytes, r.Failed}
	c.Note("%s with %d bytes of data written to %s", count(out.Nodes, "node"), out.Bytes, name)
	if partial != nil {
		for _, f := range r.Failures {
			c.Note("%v", f)
		}
	}
	if err := c.Done(out); err != nil {
		return err
	}
	if partial != nil {
		return exitError{exitFailed}
	}
	return nil
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 64<<10)
	err := write(b)
	return errors.Join(err, b.Flush())
}

// writeFile writes a file that appears under its name only when it is whole,
// compressed if the name ends in .gz. One with a PartialError is whole.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-") // only for us to read
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there any more if all went well
	err = buffered(f, func(w io.Writer) error {
		if !strings.HasSuffix(name, ".gz") {
			return write(w)
		}
		z := gzip.NewWriter(w)
		err := write(z)
		return errors.Join(err, z.Close())
	})
	closed := f.Close()
	var partial *subtree.PartialError
	if err != nil && !errors.As(err, &partial) || closed != nil {
		return errors.Join(err, closed)
	}
	return errors.Join(err, os.Rename(f.Name(), name))
}

// spool copies standard input to a file that can be read twice and has no
// name.
func spool(in io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "quokka-import-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name())
	if _, err := io.Copy(f, in); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

var importCommand = &Command{
	Name: "import", Group: GroupTrees, Usage: "[-f | --skip] [-p] [-n] file [path]", Summary: "Write a file made by export to the servers.",
	Details: `Without a path it goes to where it came from. The whole file is checked before anything is written. Nodes must not exist
yet, unless -f or --skip is given. Kinds, ACLs and the counters of sequential nodes are restored, see cp; ephemeral nodes are
left out unless --ephemerals is given. - is standard input.`,
	Examples: []string{"import app.jsonl.gz", "import -n -f app.jsonl /app2  # what would be done?", "import --edited -f app.jsonl  # after editing it"},
	Flags: append([]Flag{
		overwriteFlag, skipFlag,
		{Name: "edited", Doc: "the file was edited: its count and checksum need not match"},
	}, transferFlags...),
	Args: []Arg{ArgFile, ArgPath}, Min: 1, Max: 2, Foreign: true,
	Run: runImport,
}

func runImport(c *Call) error {
	o, err := c.transferOptions()
	if err != nil {
		return err
	}
	e, done, err := openExport(c, c.Args[0], c.Has("edited"))
	if err != nil {
		return err
	}
	defer done()
	root := e.Header.Root
	if len(c.Args) > 1 {
		root = c.Path(1)
	}
	if err := c.persist(); err != nil {
		return err
	}
	b := c.newBar(e.Count)
	c.follow(&o, b)
	r, err := subtree.Write(c.Context, e.Nodes(), subtree.Side{Client: c.Client, Root: root}, o)
	b.wipe()
	if errors.Is(err, client.ErrNodeExists) && r.Seen == 0 {
		return fmt.Errorf("%s exists: -f overwrites what is there, --skip leaves it", root)
	}
	return c.told(reportOf(r, c.Args[0], root, o.DryRun), err)
}
