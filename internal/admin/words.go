// Package admin is what an operator can ask a running server: the four-letter words, in the layouts that zkServer.sh,
// scrapers and dashboards have parsed since ZooKeeper 3.4.
//
// It owns the words, their whitelist and their layouts, and the text that names this build. It knows nothing of the
// tree, of sessions or of sockets: values come through Source, connections through an io.Writer. It must never hold a
// lock while it writes, and never print a value that is not true of this process.
//
// Sources of the facts: org.apache.zookeeper.server.command.*, ServerStats, ServerCnxn.dumpConnectionInfo,
// ExpiryQueue.dump, DataTree.dumpEphemerals, WatchManager.dumpWatches, Environment.
package admin

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"quokka/internal/metrics"
)

// NotServing is the answer of most words while the server does not serve (AbstractFourLetterCommand).
const NotServing = "This ZooKeeper instance is not currently serving requests"

// TelnetClose is what telnet sends on ctrl-c. It is known only to close such a connection quietly
// (FourLetterCommands.telnetCloseCmd).
const TelnetClose = "\xff\xf4\xff\xfd"

// traceMaskLen is the length of stmk's argument: the mask, big-endian.
const traceMaskLen = 8

// pieceLen is how many bytes of a long answer are sent at a time, the size of Java's BufferedWriter.
const pieceLen = 8192

// word is what one four-letter word does.
type word struct {
	argLen  int
	serving bool // answered with NotServing while the server does not serve
	answer  func(w *Words, p *printer, arg []byte)
}

// table has every word of Java's FourLetterCommands.
var table = map[string]word{
	"conf": {serving: true, answer: (*Words).conf},
	"cons": {serving: true, answer: (*Words).cons},
	"crst": {serving: true, answer: (*Words).crst},
	"dirs": {serving: true, answer: (*Words).dirs},
	"dump": {serving: true, answer: (*Words).dump},
	"envi": {answer: (*Words).envi},
	"gtmk": {answer: (*Words).gtmk},
	"hash": {answer: (*Words).hash},
	"isro": {answer: (*Words).isro},
	"mntr": {serving: true, answer: (*Words).mntr},
	"ruok": {answer: (*Words).ruok},
	"srst": {serving: true, answer: (*Words).srst},
	"srvr": {serving: true, answer: (*Words).srvr},
	"stat": {serving: true, answer: (*Words).stat},
	"stmk": {argLen: traceMaskLen, answer: (*Words).stmk},
	"wchc": {serving: true, answer: (*Words).wchc},
	"wchp": {serving: true, answer: (*Words).wchp},
	"wchs": {serving: true, answer: (*Words).wchs},
}

// IsWord reports whether the first four bytes of a connection are a four-letter word or TelnetClose, whitelisted or
// not. Read as a frame length, each of them is beyond every limit or negative, so no session begins like that.
func IsWord(first [4]byte) bool {
	_, ok := table[string(first[:])]
	return ok || string(first[:]) == TelnetClose
}

// Words answers four-letter words. It is safe for use by many goroutines.
type Words struct {
	source  Source
	version string
	allowed map[string]bool
}

// Options say what words are answered and what they call this build.
type Options struct {
	Whitelist []string // 4lw.commands.whitelist; "*" is every word. srvr is always answered
	ReadOnly  bool     // read-only mode is enabled, which allows isro too
	Version   string   // the build as Java prints it, see Build.String
}

// NewWords returns Words over a source. Names in the whitelist that are no words are ignored, as in Java.
func NewWords(source Source, o Options) *Words {
	allowed := map[string]bool{"srvr": true, "isro": o.ReadOnly}
	for _, name := range o.Whitelist {
		if name = strings.TrimSpace(name); name != "*" {
			allowed[name] = true
			continue
		}
		for every := range table {
			allowed[every] = true
		}
	}
	return &Words{source: source, version: o.Version, allowed: allowed}
}

// Is reports whether the first bytes of a connection are a word, and how many bytes of argument to read before Answer.
// A word that is not in the whitelist is refused without waiting for its argument.
func (w *Words) Is(first [4]byte) (argLen int, ok bool) {
	if !IsWord(first) {
		return 0, false
	}
	if !w.allowed[string(first[:])] {
		return 0, true
	}
	return table[string(first[:])].argLen, true
}

// Allowed lists the words that are answered, sorted, for the log.
func (w *Words) Allowed() []string {
	var names []string
	for name := range table {
		if w.allowed[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Answer writes the answer to a word that Is accepted; the caller closes the connection afterwards. The caller counts
// the word as a packet received before, as Java does; each piece of the answer is counted here as a packet sent
// (NIOServerCnxn.sendBufferSync). Long answers are written as they are made. The error is that of out, or says what is
// wrong with the word or its argument.
func (w *Words) Answer(name string, arg []byte, out io.Writer) error {
	if name == TelnetClose {
		return nil
	}
	entry, known := table[name]
	if !known {
		return fmt.Errorf("admin: %q is no four-letter word", name)
	}
	p := &printer{w: bufio.NewWriterSize(countingWriter{out, &w.source.Metrics().PacketsSent}, pieceLen)}
	switch {
	case !w.allowed[name]:
		p.line(name, " is not executed because it is not in the whitelist.")
	case len(arg) != entry.argLen:
		return fmt.Errorf("admin: %s takes %d bytes of argument, got %d; send the mask as eight bytes, big-endian", name, entry.argLen, len(arg))
	case entry.serving && !w.source.Serving():
		p.line(NotServing)
	default:
		entry.answer(w, p, arg)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("admin: answering %s: %w", name, err)
	}
	return nil
}

// countingWriter counts the pieces that were sent.
type countingWriter struct {
	out  io.Writer
	sent *metrics.Counter
}

func (c countingWriter) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	if err == nil {
		c.sent.Inc()
	}
	return n, err
}

func (w *Words) ruok(p *printer, _ []byte) { p.text("imok") }

func (w *Words) isro(p *printer, _ []byte) {
	switch {
	case !w.source.Serving():
		p.text("null")
	case w.source.ReadOnly():
		p.text("ro")
	default:
		p.text("rw")
	}
}

func (w *Words) gtmk(p *printer, _ []byte) { p.int(w.source.TraceMask()) }

func (w *Words) stmk(p *printer, arg []byte) {
	mask := int64(binary.BigEndian.Uint64(arg))
	w.source.SetTraceMask(mask)
	p.int(mask)
}

func (w *Words) crst(p *printer, _ []byte) {
	w.source.ResetConnections()
	p.line("Connection stats reset.")
}

func (w *Words) srst(p *printer, _ []byte) {
	w.source.Metrics().Reset()
	p.line("Server stats reset.")
}

// hash has a quirk of Java's DigestCommand: its refusal ends without a newline.
func (w *Words) hash(p *printer, _ []byte) {
	if !w.source.Serving() {
		p.text(NotServing)
		return
	}
	for d := range w.source.DigestLog() {
		p.hex(int64(d.Zxid))
		p.text(": ")
		p.int(int64(d.Digest)) // Java's long is signed
		p.line()
		if p.failed() {
			return
		}
	}
}
