package cli

import (
	"strconv"
	"strings"
	"testing"

	"quokka/internal/sim"
)

func TestSimRunsASeedAgain(t *testing.T) {
	code, first, errs := command("sim", "-seed", "7", "-steps", "300")
	if code != 0 || !strings.HasPrefix(first, "seed 7: ") {
		t.Fatalf("exit %d: %s%s", code, first, errs)
	}
	if _, second, _ := command("sim", "--seed=7", "--steps=300"); second != first {
		t.Errorf("the same seed ran differently:\n%s%s", first, second)
	}
}

func TestSimFindsAPlantedBug(t *testing.T) {
	for seed := range 40 {
		code, out, errs := command("sim", "--seed", strconv.Itoa(seed), "--plant", string(sim.PlantAckBeforeFsync))
		if code == 0 {
			continue
		}
		if !strings.Contains(out, "FOUND ") || !strings.Contains(errs, "replay it with: quokka sim") {
			t.Errorf("%s%s", out, errs)
		}
		return
	}
	t.Error("40 seeds did not find that a server acknowledges before its disk has the record")
}

func TestSimNamesWhatThereIs(t *testing.T) {
	if code, out, _ := command("sim", "--story", "list"); code != 0 || !strings.Contains(out, "S18 ") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, errs := command("sim", "--plant", "none"); code == 0 || !strings.Contains(errs, "--plant list") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
