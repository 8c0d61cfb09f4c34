package interop

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Debian's python3-kazoo belongs to Debian's own interpreter.
const debianPython = "/usr/bin/python3"

// TestKazoo runs the kazoo scenario.
func TestKazoo(t *testing.T) {
	if err := runCommand("", debianPython, "-c", "import kazoo"); err != nil {
		missing(t, "kazoo for "+debianPython, "apt-get install python3-kazoo")
	}
	compareScenario(t, "kazoo", func(t *testing.T, r *recorder) error {
		return r.runProgram(exec.Command(debianPython, "testdata/kazoo/scenario.py"))
	})
}

// TestCClient compiles and runs the scenario of the multi-threaded C client.
func TestCClient(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "gcc", "apt-get install gcc libc6-dev")
	}
	if _, err := os.Stat("/usr/include/zookeeper/zookeeper.h"); err != nil {
		missing(t, "the C client library", "apt-get install libzookeeper-mt-dev")
	}
	program := filepath.Join(t.TempDir(), "scenario")
	must(t, runCommand("", "gcc", "-std=gnu11", "-Wall", "-Werror", "-DTHREADED", "-o", program,
		"testdata/c/scenario.c", "testdata/c/record.c", "-lzookeeper_mt", "-lpthread"))
	compareScenario(t, "c", func(t *testing.T, r *recorder) error { return r.runProgram(exec.Command(program)) })
}

// TestNodeClient installs node-zookeeper-client at the version of package-lock.json and runs its scenario.
func TestNodeClient(t *testing.T) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, name, "apt-get install nodejs npm")
		}
	}
	modules, err := nodeModules()
	if err != nil {
		missing(t, "node-zookeeper-client", fmt.Sprintf("npm cannot install it, is there a network? %v", err))
	}
	compareScenario(t, "node", func(t *testing.T, r *recorder) error {
		r.gate = newGate(t, r.server.Addr())
		cmd := exec.Command("node", "testdata/node/scenario.js")
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
		return r.runProgram(cmd)
	})
}

// nodeModules returns a node_modules directory in the user's cache, installed once per content of package-lock.json.
func nodeModules() (string, error) {
	lock, err := os.ReadFile("testdata/node/package-lock.json")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "quokka-interop", fmt.Sprintf("node-%x", sha256.Sum256(lock))[:21])
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "node-zookeeper-client", "package.json")); err == nil {
		return modules, nil
	}
	err = errors.Join(
		os.MkdirAll(dir, 0o755),
		copyFile("testdata/node/package.json", filepath.Join(dir, "package.json")),
		copyFile("testdata/node/package-lock.json", filepath.Join(dir, "package-lock.json")),
	)
	if err != nil {
		return "", err
	}
	return modules, runCommand(dir, "npm", "ci", "--no-audit", "--no-fund")
}
