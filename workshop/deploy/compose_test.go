// Package deploy_test checks the deployment files: what they start, what they expose, and that the
// gate accepts their settings.
package deploy_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
)

// jobs run once and end.
var jobs = []string{"temporal-schema", "temporal-namespace"}

// gate lists the gate's own processes.
var gate = []string{"ingress", "worker", "desk"}

// demo lists the services that only the demo has.
var demo = []string{"fake-inflow", "mail"}

// unwatched lists the services whose image has no program for a health check.
var unwatched = []string{"otel-collector"}

const (
	composeFile = "../../docker-compose.yml"
	demoFile    = "../../deploy/demo/docker-compose.yml"
)

func loadFiles(
	ctx context.Context, files []string, options ...cli.ProjectOptionsFn,
) (*types.Project, error) {
	loaded, err := cli.NewProjectOptions(files, options...)
	if err != nil {
		return nil, err
	}
	return loaded.LoadProject(ctx)
}

func loadProject(ctx context.Context, options ...cli.ProjectOptionsFn) (*types.Project, error) {
	return loadFiles(ctx, []string{composeFile}, options...)
}

// project loads docker-compose.yml for a company with a desk, with test secrets.
func project(t *testing.T) *types.Project {
	t.Helper()
	secrets := t.TempDir()
	for name, text := range map[string]string{
		"postgres_password": "a", "grafana_admin_password": "b", "inflow_api_key": "an-api-key",
		"webhook_secret": "whsec-0123456789abcdef",
		"desk_secret":    "a-secret-of-the-desk-0123456789abcdef",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(text+"\n"), 0o600))
	}
	p, err := loadProject(t.Context(), cli.WithProfiles([]string{"desk"}), cli.WithEnv([]string{
		"INFLOW_COMPANY_ID=6f1c", "SECRETS_DIR=" + secrets,
		"DESK_SECRET_SECRET=" + filepath.Join(secrets, "desk_secret"),
		"DESK_URL=https://desk.example.com",
		"DESK_PEOPLE=@example.com", "SMTP_ADDR=smtp.example.com:587", "MAIL_FROM=gate@example.com",
		"MAIL_TO=office@example.com",
	}))
	require.NoError(t, err)
	return p
}

// demoProject loads both files together, with these variables in the shell.
func demoProject(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	p, err := loadFiles(t.Context(), []string{composeFile, demoFile}, cli.WithEnv(environment))
	require.NoError(t, err)
	return p
}

// everything returns the services of the real project and of the demo.
func everything(t *testing.T) *types.Project {
	t.Helper()
	p, services := project(t), demoProject(t).Services
	for _, name := range demo {
		p.Services[name] = services[name]
	}
	return p
}

// variables returns the names that a file takes from the shell or from .env.
func variables(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var names []string
	for _, match := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	require.NotEmpty(t, names)
	return names
}

// TestComposeLoadsWithoutSettings checks that all commands except 'up' work in a shell without
// settings.
func TestComposeLoadsWithoutSettings(t *testing.T) {
	p, err := loadProject(t.Context())
	require.NoError(t, err)
	services := []string{
		"postgres", "temporal-schema", "temporal", "temporal-namespace", "temporal-ui", "ingress",
		"worker",
		"otel-collector", "jaeger", "prometheus", "grafana",
	}
	assert.ElementsMatch(t, services, p.ServiceNames())
	assert.ElementsMatch(t, append(services, "desk"), project(t).ServiceNames(),
		"the desk starts only with its profile")
	assert.ElementsMatch(t, append(append(services, "desk"), demo...), demoProject(t).ServiceNames())

	// The worker says which settings are missing.
	var entries []string
	for variable, value := range p.Services["worker"].Environment {
		if !strings.HasSuffix(variable, config.FileSuffix) {
			entries = append(entries, variable+"="+*value)
		}
	}
	_, faults, err := config.Effective(config.Environ(entries), "worker")
	require.NoError(t, err)
	assert.Contains(t, fmt.Sprint(faults), "INFLOW_COMPANY_ID")
}

// TestDemoTakesNoRealSettings checks that the demo mails nobody if the shell or .env has real
// settings.
func TestDemoTakesNoRealSettings(t *testing.T) {
	want := demoProject(t)
	assert.Equal(t, "error-check-gate-demo", want.Name)
	assert.Equal(t, "error-check-gate", project(t).Name)
	assert.NotEqual(t, project(t).Networks["gate"].Ipam, want.Networks["gate"].Ipam)

	var exported []string
	allowed := regexp.MustCompile(`^(\w+_PORT|GATE_VERSION|DEMO_SUBNET)$`)
	for _, name := range append(variables(t, composeFile), variables(t, demoFile)...) {
		if !allowed.MatchString(name) {
			exported = append(exported, name+"="+cmp.Or(map[string]string{"GATE_SUBNET": "10.9.9.0/24",
				"BIND_ADDRESS": "10.9.9.1"}[name], "real"))
		}
	}
	got := demoProject(t, exported...)
	for name, service := range got.Services {
		assert.Equal(t, want.Services[name].Environment, service.Environment, name)
		assert.Equal(t, want.Services[name].Ports, service.Ports, name)
		assert.Equal(t, want.Services[name].Volumes, service.Volumes, name)
	}
	assert.Equal(t, want.Secrets, got.Secrets)
	assert.Equal(t, want.Networks, got.Networks)

	assert.Equal(t, "http://127.0.0.1:5010", *want.Services["worker"].Environment["INFLOW_API_URL"])
	assert.Equal(t, "service:worker", want.Services["fake-inflow"].NetworkMode)
	for name, service := range want.Services {
		for _, port := range service.Ports {
			assert.Equal(t, "127.0.0.1", port.HostIP, name)
		}
	}
	for name, secret := range want.Secrets {
		assert.FileExists(t, secret.File, name)
		content, err := os.ReadFile(secret.File)
		require.NoError(t, err)
		if len(content) > 0 {
			assert.True(t, strings.HasPrefix(string(content), "demo-only"),
				"%s does not say that it is only for the demo", secret.File)
		}
	}
}

// TestServicesAreBounded checks that no log can fill the disk, that no process can use all memory,
// and that Docker does not choose a port.
func TestServicesAreBounded(t *testing.T) {
	for name, service := range everything(t).Services {
		require.NotNil(t, service.Logging, name)
		assert.Equal(t, "local", service.Logging.Driver, name)
		assert.NotEmpty(t, service.Logging.Options["max-size"], name)
		assert.NotZero(t, service.MemLimit, "%s has no memory limit", name)
		for _, port := range service.Ports {
			assert.NotEmpty(t, port.Published, "%s publishes %d on a random port", name,
				port.Target)
		}
	}
}

// TestDatabaseIsProbedOverTCP checks the health check of the database. While PostgreSQL sets up an
// empty volume, it answers on its Unix socket, and then stops again.
func TestDatabaseIsProbedOverTCP(t *testing.T) {
	assert.Contains(t, project(t).Services["postgres"].HealthCheck.Test, "--host=127.0.0.1")
}

// TestVariablesAreExplained checks that the head of the file or .env.example explains every
// variable of the file.
func TestVariablesAreExplained(t *testing.T) {
	file, err := os.ReadFile(composeFile)
	require.NoError(t, err)
	head, _, ok := strings.Cut(string(file), "\nname: ")
	require.True(t, ok)
	example, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	for _, name := range variables(t, composeFile) {
		word := regexp.MustCompile(`\b` + name + `\b`)
		assert.True(t, word.MatchString(head) || word.Match(example) || name == "TZ",
			"nothing explains %s", name)
	}
}

func TestImagesArePinned(t *testing.T) {
	release := regexp.MustCompile(`:v?\d+\.\d+`)
	p := everything(t)
	for name, service := range p.Services {
		if service.Build == nil {
			assert.Regexp(t, release, service.Image, name)
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	bases := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(dockerfile), -1)
	require.Len(t, bases, 4)
	assert.Regexp(t, release, bases[0][1])
	for i, base := range []string{"build", "scratch", "scratch"} {
		assert.Equal(t, base, bases[1+i][1])
	}
	module, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	assert.Contains(t, bases[0][1], "golang:"+string(language)+".",
		"go.mod and the Dockerfile name different releases of Go")
}

// TestImagesAreTheTestedVersions checks that the file deploys the versions that 'make
// test-production' and 'make test-compose' run.
func TestImagesAreTheTestedVersions(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	tested := map[string]string{}
	for _, match := range regexp.MustCompile(
		`(?m)^([A-Z_]+)_VERSION *:= *(\S+)$`).FindAllStringSubmatch(string(makefile), -1) {
		tested[match[1]] = match[2]
	}
	p := everything(t)
	for service, image := range map[string]string{
		"temporal":           "temporalio/server:" + tested["TEMPORAL_SERVER"],
		"temporal-schema":    "temporalio/admin-tools:" + tested["TEMPORAL_SERVER"],
		"temporal-namespace": "temporalio/admin-tools:" + tested["TEMPORAL_SERVER"],
		"temporal-ui":        "temporalio/ui:" + tested["TEMPORAL_UI"],
		"otel-collector":     "otel/opentelemetry-collector-contrib:" + tested["OTEL_COLLECTOR"],
		"mail":               "axllent/mailpit:v" + tested["MAILPIT"],
	} {
		assert.Equal(t, image, p.Services[service].Image)
	}
}

func TestServicesStartInOrderAndAreWatched(t *testing.T) {
	p := everything(t)
	for name, service := range p.Services {
		isJob := slices.Contains(jobs, name)
		for dependency, how := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if slices.Contains(jobs, dependency) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			assert.Equal(t, want, how.Condition, "%s depends on %s", name, dependency)
		}
		if isJob {
			assert.True(t, strings.HasPrefix(service.Restart, types.RestartPolicyOnFailure), name)
			continue
		}
		assert.Equal(t, types.RestartPolicyUnlessStopped, service.Restart, name)
		if slices.Contains(unwatched, name) {
			assert.Nil(t, service.HealthCheck, "%s has a health check after all", name)
			continue
		}
		require.NotNil(t, service.HealthCheck, "%s has no health check", name)
		assert.NotEmpty(t, service.HealthCheck.Test, name)
	}
	for _, name := range gate {
		assert.Contains(t, p.Services[name].DependsOn, "temporal-namespace", name)
		require.NotNil(t, p.Services[name].StopGracePeriod)
		assert.Greater(t, time.Duration(*p.Services[name].StopGracePeriod), 25*time.Second,
			"%s has no time to drain", name)
	}
	assert.Len(t, p.Services["postgres"].Volumes, 1)
}

func TestSecretsAreFilesAndNothingHasAPassword(t *testing.T) {
	p := everything(t)
	sensitive := regexp.MustCompile(`PASSWORD|PWD|SECRET|API_KEY|TOKEN`)
	for name, service := range p.Services {
		for variable, value := range service.Environment {
			if sensitive.MatchString(variable) {
				require.NotNil(t, value)
				if strings.HasSuffix(variable, "_FILE") && *value == "" {
					continue // optional
				}
				assert.True(t, strings.HasSuffix(variable, "_FILE") &&
					strings.HasPrefix(*value, "/run/secrets/"), "%s: %s=%s", name, variable, *value)
				assert.Contains(t, secretTargets(service), *value, "%s has no such secret", name)
			}
		}
	}
	assert.Empty(t, misplacedSecrets(t, p), "required secrets have files, optional ones have none")
	plain, err := loadProject(t.Context(), cli.WithEnv([]string{"INFLOW_COMPANY_ID=6f1c"}))
	require.NoError(t, err)
	for name, secret := range plain.Secrets {
		if secret.File != os.DevNull {
			assert.Equal(t, "secrets", filepath.Base(filepath.Dir(secret.File)), name)
		}
	}
	// The optional secrets reach the services when they are set.
	optional := []string{"INFLOW_COMPANY_ID=6f1c"}
	for name, secret := range plain.Secrets {
		if secret.File == os.DevNull {
			optional = append(optional, strings.ToUpper(name)+"_SECRET=secrets/"+name)
		}
	}
	asked, err := loadProject(t.Context(), cli.WithProfiles([]string{"desk"}), cli.WithEnv(optional))
	require.NoError(t, err)
	for name, secret := range asked.Secrets {
		assert.Equal(t, "secrets", filepath.Base(filepath.Dir(secret.File)), name)
	}
	for service, variables := range map[string][]string{
		"worker": {"SMTP_PASSWORD_FILE", "NOTIFY_URLS_FILE", "PAYLOAD_KEYS_FILE", "DESK_SECRET_FILE"},
		"desk": {
			"SMTP_PASSWORD_FILE", "PAYLOAD_KEYS_FILE", "DESK_SECRET_FILE", "DESK_OIDC_CLIENT_SECRET_FILE",
			"DESK_API_TOKENS_FILE",
		},
	} {
		for _, variable := range variables {
			assert.Contains(t, secretTargets(asked.Services[service]),
				*asked.Services[service].Environment[variable])
		}
	}
	ignored, err := os.ReadFile("../../.gitignore")
	require.NoError(t, err)
	assert.Contains(t, string(ignored), "/secrets/")
	ignored, err = os.ReadFile("../../.dockerignore")
	require.NoError(t, err)
	for _, private := range []string{"secrets", ".env", ".gate"} {
		assert.Contains(t, strings.Split(string(ignored), "\n"), private)
	}
}

// misplacedSecrets returns the required secrets without a file, and the optional secrets with one.
func misplacedSecrets(t *testing.T, p *types.Project) []string {
	t.Helper()
	var misplaced []string
	for name, secret := range p.Secrets {
		optional := slices.Contains([]string{
			"smtp_password", "notify_urls", "payload_keys", "desk_oidc_client_secret", "desk_api_tokens",
		}, name)
		if (secret.File == os.DevNull) != optional {
			misplaced = append(misplaced, name)
		}
	}
	return misplaced
}

func secretTargets(service types.ServiceConfig) []string {
	var targets []string
	for _, secret := range service.Secrets {
		target := secret.Target
		if target == "" {
			target = secret.Source
		}
		targets = append(targets, "/run/secrets/"+strings.TrimPrefix(target, "/run/secrets/"))
	}
	return targets
}

func TestOnlyTheIngressIsReachableFromOutside(t *testing.T) {
	p := everything(t)
	for name, service := range p.Services {
		for _, port := range service.Ports {
			if name != "ingress" {
				assert.Equal(t, "127.0.0.1", port.HostIP, "%s publishes %s to everyone", name, port.Published)
			}
		}
	}
	assert.Len(t, p.Services["postgres"].Networks, 1)
	assert.Contains(t, p.Services["postgres"].Networks, "database")
	assert.True(t, p.Networks["database"].Internal)
	for name, service := range p.Services {
		if name != "postgres" && name != "temporal" && name != "temporal-schema" {
			assert.NotContains(t, service.Networks, "database", name)
		}
	}
}

func TestNothingRunsWithPrivileges(t *testing.T) {
	p := everything(t)
	for name, service := range p.Services {
		assert.Equal(t, []string{"ALL"}, service.CapDrop, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, service.SecurityOpt, name)
		assert.False(t, service.Privileged, name)
		if name != "postgres" {
			assert.Empty(t, service.CapAdd, name)
		}
		if slices.Contains(gate, name) {
			assert.Equal(t, p.Services["ingress"].Image, service.Image, name)
			assert.Equal(t, "gate", service.Build.Target, name)
		}
		if service.Build != nil {
			assert.True(t, service.ReadOnly, name)
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	users := regexp.MustCompile(`(?m)^USER (\d+):\d+$`).FindAllSubmatch(dockerfile, -1)
	require.Len(t, users, strings.Count(string(dockerfile), "\nFROM scratch "),
		"an image runs as root")
	for _, user := range users {
		assert.NotEqual(t, "0", string(user[1]))
	}
}

// TestProductionImageHasOnlyTheGate checks that the stand-in, which can forge InFlow's webhooks, is
// only in the demo's image.
func TestProductionImageHasOnlyTheGate(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	_, last, found := strings.Cut(string(dockerfile), "\nFROM scratch AS gate\n")
	require.True(t, found)
	assert.NotContains(t, last, "\nFROM ", "'docker build .' makes the last stage")
	assert.NotContains(t, last, "gate-dev")
	assert.Equal(t, "gate-dev", demoProject(t).Services["fake-inflow"].Build.Target)
}

// TestLinksInMailsOpenTheDesk checks that the worker signs links with the desk's secret, for the
// address where the desk is published.
func TestLinksInMailsOpenTheDesk(t *testing.T) {
	for _, p := range []*types.Project{project(t), demoProject(t), demoProject(t, "DESK_PORT=5999")} {
		desk, worker := p.Services["desk"], p.Services["worker"]
		for _, variable := range []string{"DESK_URL", "DESK_SECRET_FILE"} {
			assert.NotEmpty(t, *desk.Environment[variable])
			assert.Equal(t, *desk.Environment[variable], *worker.Environment[variable])
		}
	}
	demo := demoProject(t, "DESK_PORT=5999").Services["desk"]
	assert.Equal(t, "http://"+demo.Ports[0].HostIP+":"+demo.Ports[0].Published,
		*demo.Environment["DESK_URL"])
	_, inside, _ := strings.Cut(*demo.Environment["DESK_ADDR"], ":")
	assert.Equal(t, strconv.Itoa(int(demo.Ports[0].Target)), inside)
}

// TestDeskStartsAsItsPageSays runs the container commands of docs/desk.md in an empty folder.
func TestDeskStartsAsItsPageSays(t *testing.T) {
	page, err := os.ReadFile("../../docs/desk.md")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^<!-- desk: compose -->\n\n((?:    .*\n)+)`).FindSubmatch(page)
	require.NotNil(t, found)
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "secrets"), 0o700))
	shell := exec.CommandContext(t.Context(), "sh", "-e", "-c", regexp.MustCompile(`(?m)^    `).ReplaceAllString(string(found[1]), "")) //nolint:gosec // the page's own words
	shell.Dir = folder
	output, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", output)
	settings, err := os.ReadFile(filepath.Join(folder, ".env"))
	require.NoError(t, err)
	p, err := loadProject(t.Context(), cli.WithEnv(strings.Fields(string(settings))),
		cli.WithDefaultProfiles())
	require.NoError(t, err)
	require.Contains(t, p.Services, "desk")

	secret := filepath.Join(folder, "secrets", "desk_secret")
	assert.Equal(t, "secrets/desk_secret",
		filepath.Join(filepath.Base(filepath.Dir(p.Secrets["desk_secret"].File)),
			filepath.Base(p.Secrets["desk_secret"].File)))
	var entries []string
	for variable, value := range p.Services["desk"].Environment {
		entries = append(entries, variable+"="+strings.Replace(*value, "/run/secrets/desk_secret", secret,
			1))
	}
	_, faults, err := config.Effective(config.Environ(entries), "desk")
	require.NoError(t, err)
	assert.Empty(t, faults)
}

// TestGateAcceptsTheSettings checks that 'gate config' accepts the settings, with the secret files
// that the project names.
func TestGateAcceptsTheSettings(t *testing.T) {
	for _, p := range []*types.Project{project(t), demoProject(t)} {
		processes := append([]string{}, gate...)
		if _, ok := p.Services["fake-inflow"]; ok {
			processes = append(processes, "fake-inflow")
		}
		for _, name := range processes {
			service := p.Services[name]
			files := map[string]string{"/etc/gate/rules": "../../rules"}
			for _, used := range service.Secrets {
				files["/run/secrets/"+used.Source] = p.Secrets[used.Source].File
			}
			var entries []string
			known := map[string]bool{"TZ": true}
			for variable, value := range service.Environment {
				require.NotNil(t, value, variable)
				text := *value
				if file, ok := files[text]; ok {
					text = file
				}
				entries = append(entries, variable+"="+text)
			}
			settings, faults, err := config.Effective(config.Environ(entries), name)
			require.NoError(t, err)
			assert.Empty(t, faults, "%s of %s", name, p.Name)
			for _, setting := range settings {
				known[setting.Variable] = true
			}
			for variable := range service.Environment {
				foreign := strings.HasPrefix(variable, "TEMPORAL_") || strings.HasPrefix(variable, "OTEL_")
				assert.True(t, foreign || known[strings.TrimSuffix(variable, config.FileSuffix)] ||
					known[variable], "%s does not read %s", name, variable)
			}
		}
	}
}

func TestMountedFilesExistAndScriptsParse(t *testing.T) {
	p := everything(t)
	for name, mounted := range p.Configs {
		assert.FileExists(t, mounted.File, name)
		if filepath.Ext(mounted.File) == ".sh" {
			out, err := exec.CommandContext(t.Context(), "sh", "-n", mounted.File).CombinedOutput()
			assert.NoError(t, err, "%s: %s", name, out)
		}
	}
	for name, service := range p.Services {
		for _, used := range service.Configs {
			assert.Contains(t, p.Configs, used.Source, name)
		}
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				assert.DirExists(t, volume.Source, name)
				assert.True(t, volume.ReadOnly, "%s may write to %s", name, volume.Source)
			case types.VolumeTypeVolume:
				assert.Contains(t, p.Volumes, volume.Source, name)
			}
		}
	}
	used := map[string]bool{}
	for _, service := range p.Services {
		for _, secret := range service.Secrets {
			used[secret.Source] = true
		}
	}
	for name := range p.Secrets {
		assert.True(t, used[name], "no service uses the secret %s", name)
	}
}
