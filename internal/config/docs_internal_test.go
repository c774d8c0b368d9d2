package config

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// defaultsOf returns the defaults of the variables of some processes.
func defaultsOf(names ...string) map[string]string {
	defaults := map[string]string{}
	for _, p := range processes {
		for _, f := range fieldsOf(p.make()) {
			for _, name := range names {
				if p.name == name {
					defaults[f.variable] = f.defaultValue
				}
			}
		}
	}
	return defaults
}

func production() map[string]string {
	return defaultsOf("ingress", "worker", "desk", "check", "codec", "subscriptions")
}

func readFiles(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join("..", "..", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			files[path] = string(content)
		}
	}
	return files
}

var quoted = regexp.MustCompile("`([^`]+)`")

func quotedIn(cell string) []string {
	var texts []string
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		texts = append(texts, match[1])
	}
	return texts
}

// TestTablesInDocsHaveTheDefaults checks every table row that begins with settings. If one of them
// has a default, the second column is "default" and has it.
func TestTablesInDocsHaveTheDefaults(t *testing.T) {
	t.Parallel()
	defaults, checked := production(), 0
	for path, page := range readFiles(t, "README.md", "docs/*.md") {
		withDefaults := false
		for _, line := range strings.Split(page, "\n") {
			cells := strings.Split(line, "|")
			if len(cells) < 4 {
				withDefaults = false
				continue
			}
			if strings.TrimSpace(cells[2]) == "default" {
				withDefaults = true
				continue
			}
			if !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
				continue
			}
			var want []string
			for _, variable := range quotedIn(cells[1]) {
				if value := defaults[variable]; value != "" {
					want = append(want, value)
				}
			}
			if len(want) == 0 {
				continue
			}
			checked++
			if assert.True(t, withDefaults, "%s: the table has no column for the default: %s", path, line) {
				assert.Equal(t, want, quotedIn(cells[2]), "%s: %s", path, line)
			}
		}
	}
	assert.Greater(t, checked, 10)
}

// TestDefaultsInTexts checks texts such as "LISTEN_ADDR (default :5000)" in help and docs.
func TestDefaultsInTexts(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile("`?\\b([A-Z]+_[A-Z_]+)`? \\((?:default )?`?([0-9.:][0-9a-z.:]*)`?\\)")
	checked := 0
	check := func(defaults map[string]string, files map[string]string) {
		for path, content := range files {
			for _, match := range text.FindAllStringSubmatch(content, -1) {
				checked++
				assert.Equal(t, defaults[match[1]], match[2], "%s: %s", path, match[0])
			}
		}
	}
	check(production(), readFiles(t, "cmd/gate/*.go", "README.md", "docs/operations.md",
		"docs/desk.md"))
	check(defaultsOf("dev"), readFiles(t, "cmd/gate-dev/dev.go"))
	assert.Greater(t, checked, 8)
}

// TestKubernetesHasTheDefaults checks the settings that Kubernetes' base and components spell out.
// An address to listen on differs, because a pod has addresses of its own.
func TestKubernetesHasTheDefaults(t *testing.T) {
	t.Parallel()
	defaults, checked := production(), 0
	literal := regexp.MustCompile(`(?m)^ +- "?([A-Z_]+)=([^"\n]*)"?$`)
	files := readFiles(t, "deploy/kubernetes/base/kustomization.yaml",
		"deploy/kubernetes/components/*/kustomization.yaml")
	for path, content := range files {
		for _, match := range literal.FindAllStringSubmatch(content, -1) {
			variable, value := match[1], match[2]
			if want := defaults[variable]; want != "" && variable != "ADMIN_ADDR" {
				checked++
				assert.Equal(t, want, value, "%s: %s", path, variable)
			}
		}
	}
	assert.Greater(t, checked, 5)
}

// TestComposeHasTheDefaults checks the defaults in docker-compose.yml. An empty one leaves the
// decision to the program.
func TestComposeHasTheDefaults(t *testing.T) {
	t.Parallel()
	ours := map[string]string{"TZ": "UTC"} // a container has no time zone of its own
	defaults, checked := production(), 0
	set := regexp.MustCompile(`(?m)^ +([A-Z_]+): \$\{([A-Z_]+):-([^}]*)\}`)
	for _, match := range set.FindAllStringSubmatch(readFiles(t,
		"docker-compose.yml")["../../docker-compose.yml"], -1) {
		variable, value := match[1], match[3]
		want, known := defaults[variable]
		if !known || variable != match[2] || value == "" {
			continue
		}
		if other, ok := ours[variable]; ok {
			want = other
		}
		checked++
		assert.Equal(t, want, value, variable)
	}
	assert.Greater(t, checked, 10)
}

// TestKubernetesHasTheDefaultPorts checks the ports that containers have by name.
func TestKubernetesHasTheDefaultPorts(t *testing.T) {
	t.Parallel()
	defaults := production()
	port := func(variable string) string {
		_, port, err := net.SplitHostPort(defaults[variable])
		require.NoError(t, err)
		return port
	}
	want := map[string]string{
		"webhooks": port("LISTEN_ADDR"), "admin": port("ADMIN_ADDR"), "desk": port("DESK_ADDR"),
	}
	named := regexp.MustCompile(`- name: (\w+)\n +containerPort: (\d+)`)
	seen := map[string]bool{}
	for path, manifest := range readFiles(t, "deploy/kubernetes/base/*.yaml",
		"deploy/kubernetes/components/*/*.yaml") {
		for _, match := range named.FindAllStringSubmatch(manifest, -1) {
			seen[match[1]] = true
			assert.Equal(t, want[match[1]], match[2], "%s: port %s", path, match[1])
		}
	}
	assert.Len(t, seen, len(want))
}
