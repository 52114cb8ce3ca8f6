// Renders a folder as `kubectl apply -k` does, and reads the result as Kubernetes itself would: with its own types, and nothing unknown is passed
// over. Then follows the references that a server checks only when it is too late. One sentence for each fault; exit
// status 1 if there are any.
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type podSet struct {
	name     string
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
}

type cluster struct {
	faults     []string
	configs    map[string]bool
	pods       []podSet
	services   []*corev1.Service
	selections map[string]*metav1.LabelSelector
}

func (c *cluster) fault(format string, arguments ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, arguments...))
}

func decoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme,
		policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

func (c *cluster) add(object runtime.Object) {
	switch o := object.(type) {
	case *corev1.ConfigMap:
		c.configs[o.Name] = true
	case *corev1.Service:
		c.services = append(c.services, o)
	case *appsv1.DaemonSet:
		c.pods = append(c.pods, podSet{o.Name, o.Spec.Selector, o.Spec.Template, nil})
	case *appsv1.StatefulSet:
		c.pods = append(c.pods, podSet{o.Name, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates})
	case *policyv1.PodDisruptionBudget:
		c.selections["PodDisruptionBudget "+o.Name] = o.Spec.Selector
	case *networkingv1.NetworkPolicy:
		c.selections["NetworkPolicy "+o.Name] = &o.Spec.PodSelector
	}
}

func (c *cluster) selects(who string, selector *metav1.LabelSelector) {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.fault("%s: its selector is wrong: %v.", who, err)
		return
	}
	for _, pods := range c.pods {
		if parsed.Matches(labels.Set(pods.template.Labels)) {
			return
		}
	}
	c.fault("%s selects no pod of these.", who)
}

func (c *cluster) checkContainer(pods podSet, volumes map[string]bool, container corev1.Container) {
	ports := map[string]bool{}
	for _, port := range container.Ports {
		ports[port.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			c.fault("%s mounts %s, which is no volume of it.", pods.name, mount.Name)
		}
	}
	for _, probe := range []*corev1.Probe{container.ReadinessProbe, container.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			c.fault("%s has no probe over HTTP.", pods.name)
		} else if probe.HTTPGet.Port.Type == intstr.String && !ports[probe.HTTPGet.Port.StrVal] {
			c.fault("%s is probed on port %s, which it does not have.", pods.name, probe.HTTPGet.Port.StrVal)
		}
	}
}

func (c *cluster) checkPods(pods podSet) {
	c.selects(pods.name, pods.selector)
	volumes := map[string]bool{}
	for _, volume := range pods.template.Spec.Volumes {
		volumes[volume.Name] = true
		if volume.ConfigMap != nil && !c.configs[volume.ConfigMap.Name] {
			c.fault("%s wants ConfigMap %s, which is not there.", pods.name, volume.ConfigMap.Name)
		}
	}
	for _, claim := range pods.claims {
		volumes[claim.Name] = true
	}
	for _, container := range pods.template.Spec.Containers {
		c.checkContainer(pods, volumes, container)
	}
}

func read(input io.Reader) (*cluster, error) {
	c := &cluster{configs: map[string]bool{}, selections: map[string]*metav1.LabelSelector{}}
	strict := decoder()
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return c, nil
		} else if err != nil {
			return nil, err
		}
		object, kind, err := strict.Decode(document, nil, nil)
		if err != nil {
			c.fault("A document is not what Kubernetes takes: %v.", err)
			continue
		}
		fmt.Println(kind.Kind)
		c.add(object)
	}
}

func render(folder string) (string, error) {
	kustomizer := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	resources, err := kustomizer.Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return "", err
	}
	text, err := resources.AsYaml()
	return string(text), err
}

// With a folder: prints it rendered. Without: checks what comes on standard input.
func main() {
	if len(os.Args) > 1 {
		text, err := render(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(text)
		return
	}
	c, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, pods := range c.pods {
		c.checkPods(pods)
	}
	for _, service := range c.services {
		c.selects("Service "+service.Name, &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	}
	for who, selector := range c.selections {
		c.selects(who, selector)
	}
	for _, fault := range c.faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	if len(c.faults) > 0 {
		os.Exit(1)
	}
}
