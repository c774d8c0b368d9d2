// Package deploy_test holds the deployment files to what they promise.
package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/config"
)

// Services that run once and end.
var jobs = []string{"temporal-schema", "temporal-namespace"}

// Services that are the gate's own processes.
var gate = []string{"ingress", "worker"}

func loadProject(ctx context.Context, environment ...string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(environment))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := loadProject(t.Context(), "INFLOW_COMPANY_ID=6f1c")
	require.NoError(t, err)
	return p
}

func TestComposeNeedsTheCompanyID(t *testing.T) {
	_, err := loadProject(t.Context())
	require.ErrorContains(t, err, "INFLOW_COMPANY_ID")
	assert.ElementsMatch(t, []string{
		"postgres", "temporal-schema", "temporal", "temporal-namespace", "temporal-ui", "ingress", "worker",
	}, project(t).ServiceNames())
}

func TestImagesArePinned(t *testing.T) {
	release := regexp.MustCompile(`:v?\d+\.\d+`)
	for name, service := range project(t).Services {
		if service.Build == nil {
			assert.Regexp(t, release, service.Image, name)
		}
	}
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	bases := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(dockerfile), -1)
	require.Len(t, bases, 2)
	for _, base := range bases {
		assert.Regexp(t, release, base[1])
	}
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	assert.Contains(t, bases[0][1], "golang:"+string(language)+".", "go.mod and the Dockerfile name different releases of Go")
}

// The server that 'make test-production' tests is the one that is deployed.
func TestTemporalIsTheVersionThatIsTested(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	tested := regexp.MustCompile(`(?m)^TEMPORAL_SERVER_VERSION *:= *(\S+)$`).FindSubmatch(makefile)
	require.NotNil(t, tested)
	for name, image := range map[string]string{"temporal": "server", "temporal-schema": "admin-tools", "temporal-namespace": "admin-tools"} {
		assert.Equal(t, "temporalio/"+image+":"+string(tested[1]), project(t).Services[name].Image, name)
	}
}

func TestServicesStartInOrderAndAreWatched(t *testing.T) {
	p := project(t)
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
		require.NotNil(t, service.HealthCheck, "%s has no health check", name)
		assert.NotEmpty(t, service.HealthCheck.Test, name)
	}
	for _, name := range gate {
		assert.Contains(t, p.Services[name].DependsOn, "temporal-namespace", name)
		require.NotNil(t, p.Services[name].StopGracePeriod)
		assert.Greater(t, time.Duration(*p.Services[name].StopGracePeriod), 25*time.Second, "%s has no time to drain", name)
	}
	assert.Len(t, p.Services["postgres"].Volumes, 1)
}

func TestSecretsAreFilesAndNothingHasAPassword(t *testing.T) {
	p := project(t)
	sensitive := regexp.MustCompile(`PASSWORD|PWD|SECRET|API_KEY|TOKEN`)
	for name, service := range p.Services {
		for variable, value := range service.Environment {
			if sensitive.MatchString(variable) {
				require.NotNil(t, value)
				assert.True(t, strings.HasSuffix(variable, "_FILE") && strings.HasPrefix(*value, "/run/secrets/"), "%s: %s=%s", name, variable, *value)
				assert.Contains(t, secretTargets(service), *value, "%s has no such secret", name)
			}
		}
	}
	for name, secret := range p.Secrets {
		assert.Equal(t, "secrets", filepath.Base(filepath.Dir(secret.File)), name)
	}
	ignored, err := os.ReadFile("../.gitignore")
	require.NoError(t, err)
	assert.Contains(t, string(ignored), "/secrets/")
	ignored, err = os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	for _, private := range []string{"secrets", ".env", ".gate"} {
		assert.Contains(t, strings.Split(string(ignored), "\n"), private)
	}
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
	p := project(t)
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
	for _, name := range gate {
		assert.NotContains(t, p.Services[name].Networks, "database", name)
	}
}

func TestTheGateRunsWithoutPrivileges(t *testing.T) {
	p := project(t)
	for _, name := range gate {
		service := p.Services[name]
		assert.True(t, service.ReadOnly, name)
		assert.Equal(t, []string{"ALL"}, service.CapDrop, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, service.SecurityOpt, name)
	}
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	user := regexp.MustCompile(`(?m)^USER (\d+):\d+$`).FindSubmatch(dockerfile)
	require.NotNil(t, user, "the image runs as root")
	assert.NotEqual(t, "0", string(user[1]))
}

// The gate's own reading of the settings finds nothing wrong, but for the secrets' files, which are not here.
func TestSettingsAreThoseOfTheGate(t *testing.T) {
	p := project(t)
	for _, name := range gate {
		var entries []string
		known := map[string]bool{}
		for variable, value := range p.Services[name].Environment {
			require.NotNil(t, value, variable)
			entries = append(entries, variable+"="+*value)
		}
		settings, faults, err := config.Effective(config.Environ(entries), name)
		require.NoError(t, err)
		for _, fault := range faults {
			assert.Contains(t, fault.Problem, "/run/secrets/", "%s: %v", name, fault.Fault)
		}
		for _, setting := range settings {
			known[setting.Variable] = true
		}
		for variable := range p.Services[name].Environment {
			foreign := strings.HasPrefix(variable, "TEMPORAL_") || strings.HasPrefix(variable, "OTEL_")
			assert.True(t, foreign || known[strings.TrimSuffix(variable, config.FileSuffix)] || known[variable], "%s does not read %s", name, variable)
		}
	}
}

func TestMountedFilesExistAndScriptsParse(t *testing.T) {
	for name, mounted := range project(t).Configs {
		assert.FileExists(t, mounted.File, name)
		if filepath.Ext(mounted.File) == ".sh" {
			out, err := exec.CommandContext(t.Context(), "sh", "-n", mounted.File).CombinedOutput()
			assert.NoError(t, err, "%s: %s", name, out)
		}
	}
}
