// Binding the virtio_gpu driver to its device, through sysfs. Nobody may hold the DRM card open meanwhile.
#pragma once

// Both return 0, or -1 with errno set.
int driver_unbind(void);
int driver_bind(void);
