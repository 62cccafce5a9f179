//! Filters of a clsact qdisc, for kernels before 6.6: one per device and direction at a fixed place, which makes both
//! finding and atomically replacing it (`cls_bpf_change`, net/sched/cls_bpf.c) possible without any state of our own.
use super::DatapathError;
use super::hook::{Device, Direction};
use super::load::Programs;
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, SchedClassifierLinkId, TcHandle};
use aya::programs::{ProgramError, SchedClassifier, TcAttach};
use futures::TryStreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption};

/// Priority of our filters: before anybody else's.
const PRIORITY: u16 = 1;
/// Handle of our filters within that priority ("RF").
const FILTER: TcHandle = TcHandle::new(0, 0x5246);

/// Id of the program of our filter on a device in a direction, if it is there.
///
/// # Errors
/// [`DatapathError::Query`].
pub(super) async fn attached(
    netlink: &Handle,
    ifindex: u32,
    direction: Direction,
) -> Result<Option<u32>, DatapathError> {
    let filters = filters(netlink, ifindex, direction).await?;
    Ok(filters.iter().filter(|f| u32::from(f.header.handle) == u32::from(FILTER)).find_map(program_id))
}

/// Everybody's filters.
async fn filters(
    netlink: &Handle,
    ifindex: u32,
    direction: Direction,
) -> Result<Vec<TcMessage>, DatapathError> {
    let failed = |message: String| DatapathError::Query { ifindex, message };
    let request = netlink.traffic_filter(index(ifindex)?).get();
    let request = match direction {
        Direction::Ingress => request.ingress(),
        Direction::Egress => request.egress(),
    };
    match request.execute().try_collect().await {
        Ok(filters) => Ok(filters),
        // No qdisc, no device: nothing is attached.
        Err(rtnetlink::Error::NetlinkError(e)) if e.code.is_some() => Ok(Vec::new()),
        Err(e) => Err(failed(e.to_string())),
    }
}

fn index(ifindex: u32) -> Result<i32, DatapathError> {
    i32::try_from(ifindex).map_err(|e| DatapathError::Query { ifindex, message: e.to_string() })
}

fn program_id(filter: &TcMessage) -> Option<u32> {
    filter.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => options.iter().find_map(|option| match option {
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
            _ => None,
        }),
        _ => None,
    })
}

/// Puts the right program on a device: replaces the filter's atomically, or makes the qdisc and the filter.
///
/// # Errors
/// [`DatapathError::Attach`].
pub(super) fn attach(
    programs: &mut Programs,
    device: &Device,
    direction: Direction,
) -> Result<(), DatapathError> {
    let name = device.role.program(direction);
    let program = programs.get(name)?;
    let placed = replace(program, device.ifindex, direction).or_else(|_| {
        // Fails where the qdisc is there already, which is as good; else making the filter fails and says why.
        let _ = tc::qdisc_add_clsact(device.ifindex);
        create(program, device.ifindex, direction)
    });
    placed.map_err(|source| DatapathError::Attach {
        program: name,
        device: device.name.clone(),
        ifindex: device.ifindex,
        source: Box::new(source),
    })
}

fn replace(program: &mut SchedClassifier, ifindex: u32, direction: Direction) -> Result<(), ProgramError> {
    let parent = direction.attach_type().into();
    let link = SchedClassifierLink::attached(ifindex, parent, PRIORITY, FILTER, None)?;
    let id = program.attach_to_link(link)?;
    release(program, id)
}

fn create(program: &mut SchedClassifier, ifindex: u32, direction: Direction) -> Result<(), ProgramError> {
    let parent = direction.attach_type().into();
    let options = NlOptions { priority: PRIORITY, handle: FILTER, classid: None };
    let id = program.attach(ifindex, TcAttach::Netlink { parent, options })?;
    release(program, id)
}

/// Takes the filter out of aya's hands, which would remove it when dropped.
fn release(program: &mut SchedClassifier, id: SchedClassifierLinkId) -> Result<(), ProgramError> {
    std::mem::forget(program.take_link(id)?);
    Ok(())
}

/// Removes our filters from a device, and the qdisc if nobody else has filters in it. Where there are none, nothing
/// happens.
///
/// # Errors
/// [`DatapathError::Query`].
pub(super) async fn detach(netlink: &Handle, ifindex: u32) -> Result<(), DatapathError> {
    let mut ours = false;
    for direction in Direction::ALL {
        if attached(netlink, ifindex, direction).await?.is_some() {
            ours = true;
            // Dropping a link of aya's removes the filter it stands for.
            let parent = direction.attach_type().into();
            drop(SchedClassifierLink::attached(ifindex, parent, PRIORITY, FILTER, None));
        }
    }
    let mut others = false;
    for direction in Direction::ALL {
        others |= !filters(netlink, ifindex, direction).await?.is_empty();
    }
    if ours && !others {
        let mut request = netlink.qdisc().del(index(ifindex)?);
        request.message_mut().header.parent = rtnetlink::packet_route::tc::TcHandle::CLSACT;
        // One that is gone already is as good.
        let _ = request.execute().await;
    }
    Ok(())
}
