package deploy_test

import (
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// decode reads a file, and refuses unknown fields.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), path)
}

// TestPrometheusTargetsExist checks that each target is a service that serves metrics at that port.
func TestPrometheusTargetsExist(t *testing.T) {
	var configured struct {
		Global        map[string]string `yaml:"global"`
		RuleFiles     []string          `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			StaticConfigs []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
			DNS []struct {
				Names []string `yaml:"names"`
				Type  string   `yaml:"type"`
				Port  string   `yaml:"port"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	decode(t, "../../deploy/prometheus/prometheus.yml", &configured)
	p := project(t)
	var targets []string
	for _, job := range configured.ScrapeConfigs {
		for _, static := range job.StaticConfigs {
			targets = append(targets, static.Targets...)
		}
		for _, dns := range job.DNS {
			assert.Equal(t, "A", dns.Type)
			assert.Equal(t, "gate-"+dns.Names[0], job.JobName, "the job name that the alerts use")
			targets = append(targets, net.JoinHostPort(dns.Names[0], dns.Port))
		}
	}
	_, temporalMetrics, _ := strings.Cut(*p.Services["temporal"].Environment["PROMETHEUS_ENDPOINT"],
		":")
	_, admin, _ := strings.Cut(*p.Services["ingress"].Environment["ADMIN_ADDR"], ":")
	assert.ElementsMatch(t, []string{
		"ingress:" + admin, "worker:" + admin, "desk:" + admin, "temporal:" + temporalMetrics,
		"otel-collector:8888", "localhost:9090",
	}, targets)
	assert.Equal(t, []string{"rules.yml"}, configured.RuleFiles)
}

// TestCollectorHandsTracesToJaeger checks that each part that a pipeline names is configured, and
// that no part is unused.
func TestCollectorHandsTracesToJaeger(t *testing.T) {
	type parts map[string]map[string]any
	var configured struct {
		Receivers, Processors, Exporters parts
		Service                          struct {
			Telemetry map[string]any
			Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
		}
	}
	decode(t, "../../deploy/otel/collector.yaml", &configured)
	for name, pipeline := range configured.Service.Pipelines {
		for _, kind := range []struct {
			used  []string
			setUp parts
		}{{pipeline.Receivers, configured.Receivers}, {pipeline.Processors, configured.Processors},
			{pipeline.Exporters, configured.Exporters}} {
			assert.Len(t, kind.setUp, len(kind.used), name)
			for _, part := range kind.used {
				assert.Contains(t, kind.setUp, part, name)
			}
		}
	}
	host, port, err := net.SplitHostPort(configured.Exporters["otlp_grpc"]["endpoint"].(string))
	require.NoError(t, err)
	assert.Contains(t, project(t).Services, host)
	assert.Equal(t, "4317", port)
	endpoint, err := url.Parse(
		*project(t).Services["ingress"].Environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
	require.NoError(t, err)
	assert.Contains(t, project(t).Services, endpoint.Hostname())
	receiver := configured.Receivers["otlp"]["protocols"].(map[string]any)["http"].(map[string]any)["endpoint"].(string)
	assert.True(t, strings.HasSuffix(receiver, ":"+endpoint.Port()),
		"the gate sends to %s, the collector listens on %s", endpoint, receiver)
}

// TestGrafanaFindsItsSourcesAndDashboards checks that each source is a service, and that the folder
// of each dashboard is mounted.
func TestGrafanaFindsItsSourcesAndDashboards(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
		}
	}
	decode(t, "../../deploy/grafana/provisioning/datasources/datasources.yaml", &sources)
	p := project(t)
	types := map[string]bool{}
	for _, source := range sources.Datasources {
		address, err := url.Parse(source.URL)
		require.NoError(t, err)
		assert.Contains(t, p.Services, address.Hostname())
		types[source.Type] = true
	}
	assert.Equal(t, map[string]bool{"prometheus": true, "jaeger": true}, types)

	var boards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type     string
			AllowUIUpdates bool `yaml:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	decode(t, "../../deploy/grafana/provisioning/dashboards/dashboards.yaml", &boards)
	mounted := map[string]bool{}
	for _, volume := range p.Services["grafana"].Volumes {
		mounted[volume.Target] = true
	}
	for _, provider := range boards.Providers {
		assert.True(t, mounted[provider.Options.Path], "%s is not mounted", provider.Options.Path)
	}
}
