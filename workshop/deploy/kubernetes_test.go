package deploy_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"error-check-gate/internal/config"
	"error-check-gate/internal/ordercheck"
)

const (
	kubernetesBase    = "../../deploy/kubernetes/base"
	kubernetesExample = "../../deploy/kubernetes/overlays/example"
)

// cluster is the output of kustomize for a folder. Each object is decoded as Kubernetes does it.
type cluster struct {
	deployments map[string]appsv1.Deployment
	configMaps  map[string]corev1.ConfigMap
	services    map[string]corev1.Service
	budgets     []policyv1.PodDisruptionBudget
	scalers     []autoscalingv2.HorizontalPodAutoscaler
	policies    []networkingv1.NetworkPolicy
	ingresses   []networkingv1.Ingress
	accounts    []corev1.ServiceAccount
	scaled      []scaledObject
	monitors    []podMonitor
}

// podMonitor has the fields of the Prometheus Operator's PodMonitor that we use.
type podMonitor struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		JobLabel string `json:"jobLabel"`
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		PodMetricsEndpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// scaledObject has the fields of KEDA's ScaledObject that we use.
type scaledObject struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int `json:"minReplicaCount"`
		MaxReplicaCount int `json:"maxReplicaCount"`
		CooldownPeriod  int `json:"cooldownPeriod"`
		Triggers        []struct {
			Type     string            `json:"type"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

func buildCluster(t *testing.T, folder string) *cluster {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(),
		folder)
	require.NoError(t, err)
	c := &cluster{deployments: map[string]appsv1.Deployment{},
		configMaps: map[string]corev1.ConfigMap{}, services: map[string]corev1.Service{}}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		require.NoError(t, err)
		name := resource.GetName()
		switch kind := resource.GetApiVersion() + " " + resource.GetKind(); kind {
		case "apps/v1 Deployment":
			c.deployments[name] = strict[appsv1.Deployment](t, text)
		case "v1 ConfigMap":
			c.configMaps[name] = strict[corev1.ConfigMap](t, text)
		case "v1 Service":
			c.services[name] = strict[corev1.Service](t, text)
		case "v1 ServiceAccount":
			c.accounts = append(c.accounts, strict[corev1.ServiceAccount](t, text))
		case "policy/v1 PodDisruptionBudget":
			c.budgets = append(c.budgets, strict[policyv1.PodDisruptionBudget](t, text))
		case "autoscaling/v2 HorizontalPodAutoscaler":
			c.scalers = append(c.scalers, strict[autoscalingv2.HorizontalPodAutoscaler](t, text))
		case "networking.k8s.io/v1 NetworkPolicy":
			c.policies = append(c.policies, strict[networkingv1.NetworkPolicy](t, text))
		case "networking.k8s.io/v1 Ingress":
			c.ingresses = append(c.ingresses, strict[networkingv1.Ingress](t, text))
		case "keda.sh/v1alpha1 ScaledObject":
			c.scaled = append(c.scaled, strict[scaledObject](t, text))
		case "monitoring.coreos.com/v1 PodMonitor":
			c.monitors = append(c.monitors, strict[podMonitor](t, text))
		default:
			assert.Failf(t, "unexpected object", "%s %s; a Secret would contain its value",
				kind, name)
		}
	}
	return c
}

// strict decodes like Kubernetes: it refuses unknown fields, and fields whose case is wrong.
func strict[T any](t *testing.T, text []byte) (object T) {
	t.Helper()
	document, err := yaml.YAMLToJSONStrict(text)
	require.NoError(t, err, "%s", text)
	faults, err := kjson.UnmarshalStrict(document, &object)
	require.NoError(t, err, "%s", text)
	assert.Empty(t, faults, "%s", text)
	return object
}

// selected returns the names of the Deployments whose pods the selector matches, sorted.
func (c *cluster) selected(selector map[string]string) []string {
	var names []string
	for name, deployment := range c.deployments {
		labels, fits := deployment.Spec.Template.Labels, true
		for label, value := range selector {
			fits = fits && labels[label] == value
		}
		if fits {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// workloads lists the workloads of the base. The desk is a component.
var workloads = []string{"gate-ingress", "gate-worker"}

const desk = "gate-desk"

// workloadsOf returns the workloads that a folder should have.
func workloadsOf(folder string) []string {
	if folder == kubernetesBase {
		return workloads
	}
	return append([]string{desk}, workloads...)
}

// fullOverlay returns a folder with an overlay: the example with every component that it comments
// out.
func fullOverlay(t *testing.T) string {
	t.Helper()
	example, err := os.ReadFile(filepath.Join(kubernetesExample, "kustomization.yaml"))
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	folder := t.TempDir()
	relative, err := filepath.Rel(folder, filepath.Join(here, "../../deploy/kubernetes"))
	require.NoError(t, err)
	text := "resources: [" + relative + "/overlays/example]\ncomponents:\n"
	commented := regexp.MustCompile(`(?m)^  # - \.\./\.\./(components/[a-z-]+)`).FindAllSubmatch(example,
		-1)
	require.NotEmpty(t, commented)
	for _, component := range commented {
		text += "  - " + relative + "/" + string(component[1]) + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600))
	return folder
}

// TestReplicasBelongToTheAutoscaler checks that a Deployment with an autoscaler sets no number of
// replicas, because each apply would reset the autoscaler's number.
func TestReplicasBelongToTheAutoscaler(t *testing.T) {
	for _, folder := range []string{kubernetesBase, kubernetesExample, fullOverlay(t)} {
		c := buildCluster(t, folder)
		minimum := map[string]int32{}
		for _, scaler := range c.scalers {
			minimum[scaler.Spec.ScaleTargetRef.Name] = *scaler.Spec.MinReplicas
		}
		for _, scaled := range c.scaled {
			minimum[scaled.Spec.ScaleTargetRef.Name] = int32(scaled.Spec.MinReplicaCount) //nolint:gosec // a few
		}
		for name, deployment := range c.deployments {
			replicas := deployment.Spec.Replicas
			if _, scaled := minimum[name]; scaled {
				assert.Nil(t, replicas, "%s of %s", name, folder)
				continue
			}
			require.NotNil(t, replicas, "%s of %s", name, folder)
			minimum[name] = *replicas
		}
		for _, name := range workloadsOf(folder) {
			assert.GreaterOrEqual(t, minimum[name], int32(2), "%s of %s", name, folder)
		}
	}
}

// TestAutoscalerCountsTheQueueOfItsVersion checks that the autoscaler reads the right queue. Each
// version of the workers has its own.
func TestAutoscalerCountsTheQueueOfItsVersion(t *testing.T) {
	c := buildCluster(t, fullOverlay(t))
	settings := c.settings(t, "gate-worker")
	require.NotEmpty(t, settings["WORKER_BUILD_ID"])
	require.Len(t, c.scaled, 1)
	trigger := c.scaled[0].Spec.Triggers[0].Metadata
	assert.Equal(t, settings["WORKER_DEPLOYMENT"], trigger["workerDeploymentName"])
	assert.Equal(t, settings["WORKER_BUILD_ID"], trigger["workerDeploymentBuildId"])
	assert.NotContains(t, buildCluster(t, kubernetesExample).scaled[0].Spec.Triggers[0].Metadata,
		"workerDeploymentName")
}

// TestPrometheusOperatorReadsEveryPod checks that the monitors select all pods, with the job names
// that the alerts use.
func TestPrometheusOperatorReadsEveryPod(t *testing.T) {
	full := fullOverlay(t)
	c := buildCluster(t, full)
	require.Len(t, c.monitors, 1)
	monitor := c.monitors[0].Spec
	assert.Equal(t, workloadsOf(full), c.selected(monitor.Selector.MatchLabels))
	for name, deployment := range c.deployments {
		assert.Equal(t, name, deployment.Spec.Template.Labels[monitor.JobLabel])
		var ports []string
		for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
			ports = append(ports, port.Name)
		}
		assert.Contains(t, ports, monitor.PodMetricsEndpoints[0].Port)
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	require.NoError(t, err)
	for _, name := range workloadsOf(full) {
		assert.Contains(t, string(alerts), `job="`+name+`"`)
	}
}

// settings returns the values that a workload gets from ConfigMaps.
func (c *cluster) settings(t *testing.T, deployment string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, from := range c.deployments[deployment].Spec.Template.Spec.Containers[0].EnvFrom {
		data, ok := c.configMaps[from.ConfigMapRef.Name]
		require.True(t, ok, "%s: no such ConfigMap: %s", deployment, from.ConfigMapRef.Name)
		maps.Copy(values, data.Data)
	}
	return values
}

// TestMinimumKubernetesVersionIsDocumented checks that the docs name the minimum version. It is
// 1.30, because preStop.sleep needs it.
func TestMinimumKubernetesVersionIsDocumented(t *testing.T) {
	require.NotNil(t, buildCluster(t,
		kubernetesBase).deployments["gate-ingress"].Spec.Template.Spec.Containers[0].Lifecycle.PreStop.Sleep)
	for _, file := range []string{kubernetesBase + "/kustomization.yaml",
		kubernetesExample + "/kustomization.yaml", "../../docs/operations.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.True(t, strings.Contains(string(text), "Kubernetes 1.30"), file)
	}
}

func TestKubernetesWorkloadsAreSafeAndStopInOrder(t *testing.T) {
	for _, folder := range []string{kubernetesBase, kubernetesExample, fullOverlay(t)} {
		c := buildCluster(t, folder)
		assert.ElementsMatch(t, workloadsOf(folder), slices.Collect(maps.Keys(c.deployments)))
		images := map[string]bool{}
		for name, deployment := range c.deployments {
			pod := deployment.Spec.Template.Spec
			require.Len(t, pod.Containers, 1, name)
			container := pod.Containers[0]
			images[container.Image] = true
			assert.Equal(t, []string{strings.TrimPrefix(name, "gate-")}, container.Args)

			assert.Equal(t, 0, deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue(), name)
			assert.False(t, *pod.AutomountServiceAccountToken, name)
			assert.True(t, *pod.SecurityContext.RunAsNonRoot, name)
			assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type,
				name)
			assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem, name)
			assert.False(t, *container.SecurityContext.AllowPrivilegeEscalation, name)
			assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop, name)
			assert.NotEmpty(t, container.Resources.Requests, name)
			assert.NotEmpty(t, container.Resources.Limits.Memory(), name)

			ports := map[string]int32{}
			for _, port := range container.Ports {
				ports[port.Name] = port.ContainerPort
			}
			for path, probes := range map[string][]*corev1.Probe{"/livez": {container.StartupProbe,
				container.LivenessProbe}, "/readyz": {container.ReadinessProbe}} {
				for _, probe := range probes {
					assert.Equal(t, path, probe.HTTPGet.Path, name)
					assert.Contains(t, ports, probe.HTTPGet.Port.StrVal, name)
				}
			}
			grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
			if container.Lifecycle != nil {
				grace -= time.Duration(container.Lifecycle.PreStop.Sleep.Seconds) * time.Second
			}
			assert.Greater(t, grace, 30*time.Second, "%s: 25 s of draining, and 5 s for the last traces",
				name)
		}
		assert.Len(t, images, 1, "one image for all")
		for _, account := range c.accounts {
			assert.False(t, *account.AutomountServiceAccountToken)
			assert.Equal(t, account.Name, c.deployments["gate-worker"].Spec.Template.Spec.ServiceAccountName)
		}
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	user := *buildCluster(
		t, kubernetesBase).deployments["gate-worker"].Spec.Template.Spec.SecurityContext.RunAsUser
	assert.Contains(t, string(dockerfile), fmt.Sprintf("\nUSER %d:%d\n", user, user))
}

// TestGateAcceptsTheKubernetesSettings checks that 'gate config' accepts the settings of each
// workload.
func TestGateAcceptsTheKubernetesSettings(t *testing.T) {
	head, err := os.ReadFile(filepath.Join(kubernetesExample, "kustomization.yaml"))
	require.NoError(t, err)
	for _, folder := range []string{kubernetesBase, kubernetesExample, fullOverlay(t)} {
		c := buildCluster(t, folder)
		for name, deployment := range c.deployments {
			pod := deployment.Spec.Template.Spec
			values := c.settings(t, name)
			for _, variable := range pod.Containers[0].Env {
				values[variable.Name] = variable.Value
				if from := variable.ValueFrom; from != nil {
					values[variable.Name] = "6f1c"
					assert.Contains(t, string(head), from.SecretKeyRef.Key,
						"the file that makes the secret names the key")
				}
			}
			files := map[string]string{}
			for _, volume := range pod.Volumes {
				folder := t.TempDir()
				files[volume.Name] = folder
				if volume.ConfigMap != nil {
					require.Contains(t, c.configMaps, volume.ConfigMap.Name,
						"the name has no hash, because the gate follows the files in place")
					for file, text := range c.configMaps[volume.ConfigMap.Name].Data {
						require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
					}
					continue
				}
				for _, item := range volume.Secret.Items {
					assert.Contains(t, string(head), item.Key, "the file that makes the secret names the key")
					text := "a-secret-0123456789abcdef-0123456789"
					switch item.Key {
					case "payload_keys":
						text = "k1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
					case "desk_api_tokens":
						text = "warehouse:read:" + text
					}
					require.NoError(t, os.WriteFile(filepath.Join(folder, item.Path), []byte(text), 0o600))
				}
			}
			var mounts []string
			for _, mount := range pod.Containers[0].VolumeMounts {
				mounts = append(mounts, mount.MountPath, files[mount.Name])
			}
			mounted := strings.NewReplacer(mounts...)
			var entries []string
			for variable, value := range values {
				sensitive := regexp.MustCompile(
					`PASSWORD|SECRET|API_KEY|TOKEN|PAYLOAD_KEYS`).MatchString(variable)
				assert.True(t, !sensitive || strings.HasSuffix(variable, config.FileSuffix),
					"%s: %s does not come from a file", name, variable)
				entries = append(entries, variable+"="+mounted.Replace(value))
			}
			settings, faults, err := config.Effective(config.Environ(entries),
				strings.TrimPrefix(name, "gate-"))
			require.NoError(t, err)
			assert.Empty(t, faults, name)
			known := map[string]bool{}
			for _, setting := range settings {
				known[setting.Variable] = true
			}
			for variable := range values {
				foreign := strings.HasPrefix(variable, "TEMPORAL_") || strings.HasPrefix(variable, "OTEL_")
				assert.True(t, foreign || known[strings.TrimSuffix(variable, config.FileSuffix)] ||
					known[variable], "%s does not read %s", name, variable)
			}
		}
	}
}

// TestKubernetesObjectsFitTogether checks that every name that an object refers to exists.
func TestKubernetesObjectsFitTogether(t *testing.T) {
	c := buildCluster(t, kubernetesExample)
	ports := func(deployment string) (names []string) {
		for _, port := range c.deployments[deployment].Spec.Template.Spec.Containers[0].Ports {
			names = append(names, port.Name)
		}
		return names
	}
	for name, deployment := range c.deployments {
		assert.Equal(t, []string{name}, c.selected(deployment.Spec.Selector.MatchLabels))
	}
	var budgeted []string
	for _, budget := range c.budgets {
		budgeted = append(budgeted, c.selected(budget.Spec.Selector.MatchLabels)...)
	}
	assert.ElementsMatch(t, workloadsOf(kubernetesExample), budgeted)
	served := map[string]string{} // paths that are reachable from outside, by workload
	for _, ingress := range c.ingresses {
		backend := ingress.Spec.Rules[0].HTTP.Paths[0]
		service := c.services[backend.Backend.Service.Name]
		assert.Equal(t, []string{service.Name}, c.selected(service.Spec.Selector))
		assert.Contains(t, ports(service.Name), service.Spec.Ports[0].TargetPort.StrVal)
		assert.Equal(t, service.Spec.Ports[0].Name, backend.Backend.Service.Port.Name)
		assert.Equal(t, ingress.Spec.Rules[0].Host, ingress.Spec.TLS[0].Hosts[0])
		served[service.Name] = backend.Path
		if service.Name == desk {
			for _, name := range []string{desk, "gate-worker"} {
				assert.Equal(t, "https://"+ingress.Spec.Rules[0].Host, c.settings(t, name)["DESK_URL"], name)
			}
		}
	}
	assert.Equal(t, map[string]string{"gate-ingress": "/webhook/inflow", desk: "/"}, served)
	for _, policy := range c.policies {
		subjects := c.selected(policy.Spec.PodSelector.MatchLabels)
		assert.NotEmpty(t, subjects, policy.Name)
		for _, rule := range policy.Spec.Ingress {
			for _, port := range rule.Ports {
				for _, subject := range subjects {
					assert.Contains(t, ports(subject), port.Port.StrVal, policy.Name)
				}
			}
		}
	}
	for _, scaler := range c.scalers {
		assert.Equal(t, "gate-ingress", scaler.Spec.ScaleTargetRef.Name)
		assert.GreaterOrEqual(t, *scaler.Spec.MinReplicas, int32(2))
	}
	require.Len(t, c.scaled, 1)
	scaled := c.scaled[0].Spec
	assert.Contains(t, c.deployments, scaled.ScaleTargetRef.Name)
	assert.GreaterOrEqual(t, scaled.MinReplicaCount, 2)
	for _, deployed := range c.configMaps {
		if address, ok := deployed.Data["TEMPORAL_ADDRESS"]; ok {
			assert.Equal(t, address, scaled.Triggers[0].Metadata["endpoint"])
			assert.Equal(t, deployed.Data["TEMPORAL_NAMESPACE"], scaled.Triggers[0].Metadata["namespace"])
		}
	}
	assert.Equal(t, ordercheck.TaskQueue, scaled.Triggers[0].Metadata["taskQueue"])
}
