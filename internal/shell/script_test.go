package shell_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"quokka/internal/cli"
	"quokka/quokkatest"
)

// TestMain lets scripts run the program under both its names.
func TestMain(m *testing.M) {
	program := func() { os.Exit(cli.Main(os.Args[1:], cli.Std())) }
	testscript.Main(m, map[string]func(){"quokka": program, "zkCli.sh": program})
}

// superDigest is that of super:quokka.
const superDigest = "super:Nfuos+R8P020LEBpK+J41QAprGA="

// TestScripts runs testdata/script, each script against servers of its own:
// three for those whose name begins with ensemble, else one. ZK_SERVER leads
// to them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			servers := 1
			name := filepath.Base(e.WorkDir)
			if strings.HasPrefix(name, "script-ensemble") {
				servers = 3
			}
			s, err := quokkatest.New(servers, quokkatest.Options{Settings: map[string]string{
				"reconfigEnabled": "true", "DigestAuthenticationProvider.superDigest": superDigest,
			}})
			if err != nil {
				return err
			}
			e.Defer(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			e.Setenv("ZK_SERVER", s.ConnectString())
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every process takes a second under the race detector
			return nil
		},
	})
}
