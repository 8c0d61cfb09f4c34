package shell

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"quokka/client"
	"quokka/internal/subtree"
)

var editCommand = &Command{
	Name: "edit", Group: GroupNodes, Usage: "[-b] [-y] path", Summary: "Edit a node's data with $VISUAL or $EDITOR.",
	Details: `The text is in a temporary file that only its owner may read. Nothing is written if it was not changed, and nothing is
overwritten that somebody else has written meanwhile: then it is shown what they changed, and asked what to do. Text that is
not written stays in its file. A newline that the editor added at the end is taken off again. -y writes what is no JSON any more.`,
	Examples: []string{"edit /app/config", "edit -b /app/blob  # as base64"},
	Flags:    []Flag{{Name: "b", Doc: "edit binary data, as base64"}, yesFlag},
	Args:     []Arg{ArgPath}, Min: 1, Max: 1, Foreign: true,
	Run: runEdit,
}

func runEdit(c *Call) error {
	data, stat, err := c.Client.Get(c.Context, c.Path(0))
	if err != nil {
		return err
	}
	if !c.Has("b") && !subtree.Readable(data) {
		return fmt.Errorf("the data of %s is binary: -b edits it as base64", c.Path(0))
	}
	e := &editing{c: c, path: c.Path(0), base: data, version: stat.Version}
	if err := e.create(); err != nil {
		return err
	}
	saved, err := e.session()
	if err != nil && e.changed {
		fmt.Fprintf(c.Err, "The edited text is kept in %s\n", e.file) // whatever the form of the output
		return err
	}
	if removed := os.Remove(e.file); err == nil {
		err = removed
	}
	if err != nil {
		return err
	}
	out := struct {
		Path    string `json:"path"`
		Changed bool   `json:"changed"`
		Version int32  `json:"version"`
	}{e.path, saved, e.version}
	return c.Result(out, func(w io.Writer) error {
		text := "not changed"
		if saved {
			text = fmt.Sprintf("written, now version %d", e.version)
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}

// editing is a node's data in an editor.
type editing struct {
	c       *Call
	path    string
	file    string
	base    []byte // as it was read
	version int32  // that it has
	changed bool   // the file differs from what was read
}

// create writes the file.
func (e *editing) create() error {
	ending := ".txt"
	if isJSON(e.base) {
		ending = ".json"
	}
	f, err := os.CreateTemp("", "quokka-edit-*"+ending) // with mode 0600
	if err != nil {
		return err
	}
	e.file = f.Name()
	text := e.base
	if e.c.Has("b") {
		text = []byte(base64.StdEncoding.EncodeToString(e.base) + "\n")
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// isJSON tells whether data is meant to be JSON: a lone number or word is not.
func isJSON(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && (data[0] == '{' || data[0] == '[') && json.Valid(data)
}

// session edits until the text is written or given up.
func (e *editing) session() (saved bool, err error) {
	for {
		if err := e.open(); err != nil {
			text, textErr := e.text()
			e.changed = textErr != nil || !bytes.Equal(text, e.base)
			return false, err
		}
		text, err := e.text()
		if err != nil {
			e.changed = true
			return false, err
		}
		if e.changed = !bytes.Equal(text, e.base); !e.changed {
			return false, nil
		}
		if isJSON(e.base) && !json.Valid(text) && !e.c.Has(yesFlag.Name) {
			if err := e.c.Confirm("This was JSON and is not any more. Write it?", yesFlag.Name); err != nil {
				return false, err
			}
		}
		again, err := e.write(text)
		if !again {
			return err == nil, err
		}
	}
}

// open runs the editor.
func (e *editing) open() error {
	editor := e.c.shell.environ("VISUAL")
	if editor == "" {
		editor = e.c.shell.environ("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	// The variable may hold options; a shell knows what they are.
	cmd := exec.Command("/bin/sh", "-c", editor+` "$1"`, editor, e.file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.c.shell.opts.In, e.c.shell.opts.Out, e.c.shell.opts.Err
	cmd.Env = e.c.shell.opts.Environ
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor %q failed: %w; set EDITOR to another one", editor, err)
	}
	return nil
}

// text reads what was edited.
func (e *editing) text() ([]byte, error) {
	text, err := os.ReadFile(e.file)
	if err != nil {
		return nil, err
	}
	if e.c.Has("b") {
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			return nil, fmt.Errorf("this is not base64 any more: %w", err)
		}
		return data, nil
	}
	if !bytes.HasSuffix(e.base, []byte("\n")) {
		text = bytes.TrimSuffix(text, []byte("\n")) // editors end the last line
	}
	return text, nil
}

// write writes the text if the node is as it was read. Otherwise the user
// decides: again says to go back to the editor.
func (e *editing) write(text []byte) (again bool, err error) {
	for {
		stat, err := e.c.Client.Set(e.c.Context, e.path, text, e.version)
		if err == nil {
			e.version = stat.Version
			return false, nil
		}
		if !errors.Is(err, client.ErrBadVersion) {
			return false, err
		}
		theirs, now, getErr := e.c.Client.Get(e.c.Context, e.path)
		if getErr != nil {
			return false, getErr
		}
		e.c.Note("somebody else has changed %s since it was read:\n%s", e.path, strings.TrimSuffix(e.c.lineDiff(e.base, theirs), "\n"))
		if !e.c.shell.inTerminal {
			return false, err
		}
		answer, askErr := e.c.shell.ask(e.c.Context, "overwrite that, edit again, or keep your text in its file? [o/e/K] ")
		if askErr != nil {
			return false, askErr
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "o", "overwrite":
			e.base, e.version = theirs, now.Version
		case "e", "edit":
			e.base, e.version = theirs, now.Version
			return true, nil
		default:
			return false, err
		}
	}
}
