package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"error-check-gate/internal/dev/childprocess"
)

// promtool runs Prometheus' own checker, which 'make promtool' installs.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	command, err := childprocess.FindCommand("promtool", "PROMTOOL")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), command, args...) //nolint:gosec // the operator chooses the command
	cmd.Dir = "../../deploy/prometheus"
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "config", "--syntax-only", "prometheus.yml")
	promtool(t, "check", "rules", "rules.yml")
	promtool(t, "test", "rules", "rules_test.yml", "rules_days_test.yml")
}

type alertRule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	data, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alertRule } }
	require.NoError(t, yaml.Unmarshal(data, &file))
	var rules []alertRule
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	require.NotEmpty(t, rules)
	return rules
}

// TestEveryAlertIsTestedAndExplained checks that each alert has a test case in which it fires, one
// in which it does not, and a heading in the docs that says what to do.
func TestEveryAlertIsTestedAndExplained(t *testing.T) {
	t.Parallel()
	var tests string
	for _, file := range []string{"rules_test.yml", "rules_days_test.yml"} {
		data, err := os.ReadFile("../../deploy/prometheus/" + file)
		require.NoError(t, err)
		tests += string(data)
	}
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for _, rule := range alertRules(t) {
		assert.Regexp(t, `alertname: `+rule.Alert+`\n\s+exp_alerts:\n`, tests,
			"%s: no test in which it fires", rule.Alert)
		assert.Regexp(t, `alertname: `+rule.Alert+`\n\s+exp_alerts: \[\]`, tests,
			"%s: no test in which it is silent", rule.Alert)
		assert.Contains(t, []string{"page", "ticket", "info"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		file, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
		assert.Equal(t, "docs/operations.md", file, rule.Alert)
		assert.Equal(t, strings.ToLower(rule.Alert), anchor)
		assert.Regexp(t, regexp.MustCompile(`(?m)^#+ `+rule.Alert+`$`), string(page),
			"the page has no heading for the alert")
	}
}
