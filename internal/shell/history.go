package shell

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxHistory is how many lines a history file keeps.
const maxHistory = 2000

// A history is the lines that were typed, in memory and in a file that only
// its owner can read. Lines with credentials are in neither. A history that
// cannot be written is still one in memory.
type history struct {
	lines  []string // oldest first
	file   *os.File // nil if there is none
	paused bool     // the next line is an answer, not a command
}

// historyFile returns where the shell keeps its history, "" for nowhere.
func (s *Shell) historyFile() string {
	home := s.environ("HOME")
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".quokka_history")
}

// openHistory reads a file, and shortens it if it has become long.
func openHistory(name string) *history {
	h := new(history)
	if name == "" {
		return h
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return h
	}
	_ = f.Chmod(0o600) // whoever made it
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		h.lines = append(h.lines, lines.Text())
	}
	h.file = f
	if len(h.lines) > maxHistory {
		h.shorten()
	}
	return h
}

// shorten keeps the newer half.
func (h *history) shorten() {
	h.lines = slices.Clone(h.lines[len(h.lines)-maxHistory/2:])
	if h.file.Truncate(0) == nil {
		_, _ = h.file.WriteString(strings.Join(h.lines, "\n") + "\n") // a history is worth no error
	}
}

// Add keeps a line, unless it is a secret, a repetition or empty.
func (h *history) Add(line string) {
	line = strings.TrimSpace(line)
	if h.paused || line == "" || secret(line) || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.file != nil {
		_, _ = h.file.WriteString(line + "\n")
	}
}

// secret tells whether a line holds a credential.
func secret(line string) bool {
	words := split(line)
	return len(words) > 0 && words[0] == addauthCommand.Name
}

// Len returns how many lines there are.
func (h *history) Len() int { return len(h.lines) }

// At returns a line, 0 for the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

func (h *history) close() {
	if h.file != nil {
		_ = h.file.Close()
	}
}
