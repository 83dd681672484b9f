//! The buffers behind burn's tensors, with operator fusion and without.

use burn::backend::ir::{InitOperationIr, OperationIr};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, BackendTypes};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeBackend, CubeDevice};
use burn_fusion::stream::StreamId;
use burn_fusion::{Fusion, FusionBackend, FusionRuntime, NoOp, get_client};

/// A backend whose tensors are buffers of cubecl. Which of the two burn has follows from its
/// features, which any crate of a build may switch on.
trait Reach: Backend {
    fn cube(tensor: FloatTensor<Self>) -> CubeTensor;
    fn burn(tensor: CubeTensor, shape: Shape) -> FloatTensor<Self>;
}

impl Reach for CubeBackend {
    fn cube(tensor: CubeTensor) -> CubeTensor {
        tensor
    }

    fn burn(tensor: CubeTensor, _: Shape) -> CubeTensor {
        tensor
    }
}

impl<B> Reach for Fusion<B>
where
    B: FusionBackend + BackendTypes<FloatTensorPrimitive = CubeTensor>,
    B::FusionRuntime: FusionRuntime<FusionDevice = CubeDevice>,
{
    /// Launches what is queued; the host waits until that is launched, not until it is done.
    fn cube(tensor: FloatTensor<Self>) -> CubeTensor {
        tensor.client.clone().resolve_tensor_float::<B>(tensor)
    }

    fn burn(tensor: CubeTensor, shape: Shape) -> FloatTensor<Self> {
        let client = get_client::<B>(&tensor.device);
        let (dtype, handle) = (tensor.dtype, B::float_tensor_handle(tensor));
        let made = InitOperationIr::create(shape, dtype, || client.register_tensor_handle(handle));
        let stream = StreamId::current();
        client.register(stream, OperationIr::Init(made), NoOp::<B>::new()).remove(0)
    }
}

/// The buffer of a tensor without autodiff, if a cubecl runtime holds it.
pub(super) fn cube_of<const D: usize>(tensor: Tensor<D>) -> Option<CubeTensor> {
    tensor.try_into_primitive::<Cube>().ok().map(<Cube as Reach>::cube)
}

/// The tensor of a buffer, without autodiff.
pub(super) fn tensor_of<const D: usize>(tensor: CubeTensor, shape: Shape) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(<Cube as Reach>::burn(tensor, shape))
}
